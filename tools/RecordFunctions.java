/*
 * Records what a real Flink answers for each expression of tests/sql/functions.tsv.
 *
 *   java <add-opens> -cp 'FLINK/lib/*' tools/RecordFunctions.java functions.tsv > new.tsv
 *
 * Input: lines "expression[<TAB>anything]"; "# ..." is kept; "@zone NAME" sets
 * table.local-time-zone for what follows. Output: expression, type, CAST(... AS STRING) of the
 * value, or "ERROR" and the first line of the root cause. docs/sql/functions.md says how to run it.
 */
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.types.Row;
import org.apache.flink.util.CloseableIterator;

public class RecordFunctions {
    private static final int BATCH = 25;
    private static TableEnvironment env;

    private static String escape(String s) {
        return s.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r");
    }

    private static String error(Throwable t) {
        while (t.getCause() != null && t.getCause() != t) {
            t = t.getCause();
        }
        String m = t.getMessage() == null ? t.getClass().getSimpleName() : t.getMessage();
        return "ERROR " + escape(m.split("\n")[0]);
    }

    private static Row query(List<String> expressions) throws Exception {
        StringBuilder sql = new StringBuilder("SELECT ");
        for (int i = 0; i < expressions.size(); i++) {
            sql.append(i == 0 ? "" : ", ").append("CAST((").append(expressions.get(i)).append(") AS STRING)");
        }
        try (CloseableIterator<Row> rows = env.executeSql(sql.toString()).collect()) {
            return rows.next();
        }
    }

    private static void evaluate(List<String> expressions, String[] out, List<Integer> where) {
        if (expressions.isEmpty()) {
            return;
        }
        try {
            Row row = query(expressions);
            for (int i = 0; i < expressions.size(); i++) {
                Object value = row.getField(i);
                out[where.get(i)] = value == null ? "NULL" : "'" + escape(value.toString());
            }
        } catch (Throwable t) {
            int n = expressions.size();
            if (n == 1) {
                out[where.get(0)] = error(t);
                return;
            }
            evaluate(expressions.subList(0, n / 2), out, where.subList(0, n / 2));
            evaluate(expressions.subList(n / 2, n), out, where.subList(n / 2, n));
        }
    }

    public static void main(String[] args) throws Exception {
        env = TableEnvironment.create(EnvironmentSettings.newInstance().inBatchMode().build());
        env.getConfig().set("parallelism.default", "1");
        env.getConfig().set("table.local-time-zone", "UTC");
        List<String> lines = Files.readAllLines(Path.of(args[0]), StandardCharsets.UTF_8);
        String[] types = new String[lines.size()];
        String[] values = new String[lines.size()];
        List<String> batch = new ArrayList<>();
        List<Integer> where = new ArrayList<>();
        for (int i = 0; i < lines.size(); i++) {
            String line = lines.get(i);
            String expression = line.split("\t")[0];
            if (line.startsWith("@zone ")) {
                evaluate(batch, values, where);
                batch.clear();
                where.clear();
                env.getConfig().set("table.local-time-zone", line.substring(6).trim());
            }
            if (line.isEmpty() || line.startsWith("#") || line.startsWith("@")) {
                continue;
            }
            try {
                types[i] = env.sqlQuery("SELECT " + expression).getResolvedSchema()
                        .getColumnDataTypes().get(0).getLogicalType().asSummaryString();
                batch.add(expression);
                where.add(i);
            } catch (Throwable t) {
                types[i] = "-";
                values[i] = error(t);
            }
            if (batch.size() == BATCH) {
                evaluate(batch, values, where);
                batch.clear();
                where.clear();
            }
        }
        evaluate(batch, values, where);
        StringBuilder out = new StringBuilder();
        for (int i = 0; i < lines.size(); i++) {
            out.append(types[i] == null ? lines.get(i)
                    : lines.get(i).split("\t")[0] + "\t" + types[i] + "\t" + values[i]).append('\n');
        }
        System.out.write(out.toString().getBytes(StandardCharsets.UTF_8));
        System.out.flush();
    }
}
