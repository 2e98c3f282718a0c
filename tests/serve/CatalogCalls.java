// Calls every question of DatabaseMetaData that a tool such as DBeaver or Metabase asks, and reads all rows.
import java.sql.*;

public class CatalogCalls {
    interface Call { ResultSet get() throws SQLException; }

    static void read(String name, Call call) {
        try (ResultSet rows = call.get()) {
            int width = rows.getMetaData().getColumnCount(), count = 0;
            for (int i = 1; i <= width; i++) {
                rows.getMetaData().getColumnTypeName(i);
                rows.getMetaData().isNullable(i);
                rows.getMetaData().isAutoIncrement(i);
            }
            while (rows.next()) {
                count++;
                for (int i = 1; i <= width; i++) rows.getObject(i);
            }
            System.out.println(name + ": " + count);
        } catch (Exception error) {
            System.out.println(name + ": " + error);
        }
    }

    public static void main(String[] arguments) throws SQLException {
        try (Connection link = DriverManager.getConnection(arguments[0])) {
            DatabaseMetaData data = link.getMetaData();
            String[] kinds = {"TABLE", "VIEW", "MATERIALIZED VIEW", "FOREIGN TABLE", "PARTITIONED TABLE"};
            System.out.println("product: " + data.getDatabaseProductVersion() + " " + link.getCatalog() + " " + link.getSchema());
            read("schemas", () -> data.getSchemas());
            read("schemas of", () -> data.getSchemas(null, "pub%"));
            read("catalogs", () -> data.getCatalogs());
            read("table types", () -> data.getTableTypes());
            read("tables", () -> data.getTables(null, "public", "%", kinds));
            read("all tables", () -> data.getTables(null, null, "%", new String[] {"TABLE"}));
            read("columns", () -> data.getColumns(null, "public", "%", "%"));
            read("columns of", () -> data.getColumns(null, "public", "visits", null));
            read("primary keys", () -> data.getPrimaryKeys(null, "public", "visits"));
            read("imported keys", () -> data.getImportedKeys(null, "public", "visits"));
            read("exported keys", () -> data.getExportedKeys(null, "public", "patients"));
            read("cross reference", () -> data.getCrossReference(null, "public", "patients", null, "public", "visits"));
            read("indexes", () -> data.getIndexInfo(null, "public", "visits", false, true));
            read("best row", () -> data.getBestRowIdentifier(null, "public", "visits", 0, true));
            read("versions", () -> data.getVersionColumns(null, "public", "visits"));
            read("types", () -> data.getTypeInfo());
            read("user types", () -> data.getUDTs(null, "public", "%", null));
            read("procedures", () -> data.getProcedures(null, "public", "%"));
            read("procedure columns", () -> data.getProcedureColumns(null, "public", "%", "%"));
            read("functions", () -> data.getFunctions(null, "public", "%"));
            read("function columns", () -> data.getFunctionColumns(null, "public", "%", "%"));
            read("table privileges", () -> data.getTablePrivileges(null, "public", "visits"));
            read("column privileges", () -> data.getColumnPrivileges(null, "public", "visits", "%"));
            read("client properties", () -> data.getClientInfoProperties());
            System.out.println("keywords: " + data.getSQLKeywords().length() + " names: " + data.getMaxColumnNameLength());
            System.out.println("functions: " + data.getNumericFunctions().length());
            for (String sql : new String[] {
                "SELECT * FROM pg_catalog.pg_namespace WHERE nspname = ?", "SELECT typname, oid FROM pg_type WHERE typname = ?",
            }) {
                try (PreparedStatement statement = link.prepareStatement(sql)) {
                    statement.setString(1, "public");
                    read(sql, () -> statement.executeQuery());
                }
            }
        }
    }
}
