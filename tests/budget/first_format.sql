BEGIN TRANSACTION;
CREATE TABLE account (
        name TEXT PRIMARY KEY, epsilon_limit TEXT, delta_limit TEXT,
        epsilon_spent TEXT NOT NULL, delta_spent TEXT NOT NULL);
INSERT INTO "account" VALUES('policy','10/1','1/1000000','8/5','1/100000000');
INSERT INTO "account" VALUES('@bob','3/1','0/1','11/10','0/1');
INSERT INTO "account" VALUES('@alice','6/1','1/1000000','3/2','1/100000000');
CREATE TABLE answer (charge INTEGER PRIMARY KEY REFERENCES entry(id), answer TEXT NOT NULL);
INSERT INTO "answer" VALUES(5,'{"a":1}');
INSERT INTO "answer" VALUES(6,'{"a":2}');
CREATE TABLE entry (
        id INTEGER PRIMARY KEY, time TEXT NOT NULL, kind TEXT NOT NULL, analyst TEXT, epsilon TEXT, delta TEXT,
        key TEXT, version TEXT, sql TEXT, events TEXT, charge INTEGER REFERENCES entry(id), note TEXT);
INSERT INTO "entry" VALUES(1,'2026-11-22T10:46:24.729+00:00','create',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'basic E, D/2');
INSERT INTO "entry" VALUES(2,'2026-11-22T10:46:24.729+00:00','limits',NULL,'10/1','1/1000000',NULL,NULL,NULL,NULL,NULL,'from the policy');
INSERT INTO "entry" VALUES(3,'2026-11-22T10:46:24.729+00:00','limits','alice','5/1','1/1000000',NULL,NULL,NULL,NULL,NULL,'from the policy');
INSERT INTO "entry" VALUES(4,'2026-11-22T10:46:24.729+00:00','limits','bob','3/1','0/1',NULL,NULL,NULL,NULL,NULL,'from the policy');
INSERT INTO "entry" VALUES(5,'2026-11-22T10:46:24.778+00:00','charge','alice','1/1','0/1','first','v1','SELECT ''first''','{"format": 1, "events": [{"mechanism": "laplace", "epsilon": "1/2", "delta": "0/1", "sensitivity": 1, "scale": "2/1"}, {"mechanism": "laplace", "epsilon": "1/2", "delta": "0/1", "sensitivity": 7, "scale": "14/1"}]}',NULL,NULL);
INSERT INTO "entry" VALUES(6,'2026-11-22T10:46:24.827+00:00','charge','alice','1/2','1/100000000','second','v1','SELECT ''second''','{"format": 1, "events": [{"mechanism": "selection", "epsilon": "1/2", "delta": "1/100000000", "sensitivity": 5, "scale": "10/1"}]}',NULL,NULL);
INSERT INTO "entry" VALUES(7,'2026-11-22T10:46:24.834+00:00','charge','bob','1/10','0/1','third','v1','SELECT ''third''','{"format": 1, "events": []}',NULL,NULL);
INSERT INTO "entry" VALUES(8,'2026-11-22T10:46:24.837+00:00','sight','bob','1/1','0/1',NULL,NULL,NULL,NULL,5,NULL);
INSERT INTO "entry" VALUES(9,'2026-11-22T10:46:24.838+00:00','limits','alice','6/1','1/1000000',NULL,NULL,NULL,NULL,NULL,'by the owner');
INSERT INTO "entry" VALUES(10,'2026-11-22T10:46:24.884+00:00','backup',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'/srv/old.backup');
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
INSERT INTO "meta" VALUES('id','9d168dc955490ff8897553957e1c9446');
INSERT INTO "meta" VALUES('created','2026-11-22T10:46:24.728+00:00');
INSERT INTO "meta" VALUES('split','basic E, D/2');
INSERT INTO "meta" VALUES('format','1');
INSERT INTO "meta" VALUES('state','live');
CREATE INDEX entry_key ON entry (key, version) WHERE key IS NOT NULL;
CREATE INDEX entry_charge ON entry (charge, analyst) WHERE charge IS NOT NULL;
CREATE TRIGGER entry_kept BEFORE DELETE ON entry BEGIN SELECT RAISE(ABORT, 'entries are only added'); END;
CREATE TRIGGER entry_fixed BEFORE UPDATE ON entry BEGIN SELECT RAISE(ABORT, 'entries are only added'); END;
COMMIT;