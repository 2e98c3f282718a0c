// What a Java program does: parameters, a fetch size, warnings, errors, a timeout. Prints one line each.
import java.math.BigDecimal;
import java.sql.*;

public class Client {
    public static void main(String[] arguments) throws SQLException {
        try (Connection link = DriverManager.getConnection(arguments[0])) {
            try (PreparedStatement ask = link.prepareStatement(
                    "SELECT c_mktsegment, COUNT(*) AS n FROM customer WHERE c_acctbal > ? AND c_mktsegment <> ? GROUP BY 1 ORDER BY 1")) {
                for (int i = 0; i < 7; i++) {           // from the fifth on, pgjdbc prepares and speaks binary
                    ask.setBigDecimal(1, new BigDecimal("12.50"));
                    ask.setString(2, "FURNITURE");
                    try (ResultSet rows = ask.executeQuery()) {
                        int count = 0;
                        long sum = 0;
                        while (rows.next()) { count++; sum += rows.getLong("n"); }
                        SQLWarning warning = ask.getWarnings();
                        System.out.println("asked " + count + " " + (sum > 1000) + " " + (warning == null ? "free" : warning.getMessage()));
                    }
                    ask.clearWarnings();
                }
            }
            try (PreparedStatement ask = link.prepareStatement("SELECT COUNT(*) FROM orders WHERE o_orderdate < ?")) {
                ask.setDate(1, Date.valueOf("1995-03-15"));
                try (ResultSet rows = ask.executeQuery()) { rows.next(); System.out.println("dated " + (rows.getInt(1) > 1000)); }
            }
            try (Statement ask = link.createStatement()) {
                ask.executeQuery("SELECT nope FROM customer");
            } catch (SQLException error) {
                System.out.println("refused " + error.getSQLState());
            }
            link.setAutoCommit(false);
            try (Statement ask = link.createStatement()) {
                ask.setFetchSize(2);
                int count = 0;
                try (ResultSet rows = ask.executeQuery("SELECT n_name FROM nation ORDER BY n_name")) { while (rows.next()) count++; }
                System.out.println("fetched " + count);
            }
            link.commit();
            try (Statement ask = link.createStatement()) {
                ask.setQueryTimeout(1);
                StringBuilder slow = new StringBuilder("SELECT COUNT(*) FROM nation n0");
                for (int i = 1; i < 30; i++) slow.append(", nation n").append(i);
                ask.executeQuery(slow.toString());
            } catch (SQLException error) {
                System.out.println("cancelled " + error.getSQLState());
            }
            link.rollback();
        }
    }
}
