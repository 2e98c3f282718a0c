"""The catalog of PostgreSQL, as clients ask it, made of policy and schema: free, and without touching data.

    answer     catalog_answer: the door                 build      its own small locked database
    text       a statement made ready to parse          objects    tables of the policy as objects with oids
    translate  queries; values, calls: expressions      rows       what stands in pg_catalog
    scope      which column a name means                information  the views
    names      what a column is called                  functions  what may be called
    shapes, pg_types, procs                             facts of PostgreSQL 15
"""

from dpsql.doors.serve.catalog.answer import Answered, Asker, Catalog, Statement, catalog, catalog_answer

__all__ = ["Answered", "Asker", "Catalog", "Statement", "catalog", "catalog_answer"]
