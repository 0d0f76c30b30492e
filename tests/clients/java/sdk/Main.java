import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Main API put|get ENDPOINT STREAM KEYS ROUNDS
 *
 * put: each round writes one record for each key, all acknowledged before the next begins, and prints "round N".
 * get: follows the shards from parents to children and prints "KEY ROUND" for each record, until all were seen.
 * Calls that fail are made again: the server may go away in between.
 */
public final class Main {
    private static final long DEADLINE = System.nanoTime() + 240_000_000_000L;

    public static void main(String[] args) throws Exception {
        Stream stream = switch (args[0]) {
            case "v1" -> new SdkV1(args[2], args[3]);
            case "v2" -> new SdkV2(args[2], args[3]);
            case "v2-async" -> new SdkV2Async(args[2], args[3]);
            default -> throw new IllegalArgumentException("API is v1, v2 or v2-async: " + args[0]);
        };
        int keys = Integer.parseInt(args[4]);
        int rounds = Integer.parseInt(args[5]);
        if (args[1].equals("put")) {
            write(stream, keys, rounds);
        } else {
            read(stream, (long) keys * rounds);
        }
        System.exit(0);
    }

    interface Call<T> {
        T run() throws Exception;
    }

    private static <T> T persist(Call<T> call) throws Exception {
        for (;;) {
            try {
                return call.run();
            } catch (Exception e) {
                if (System.nanoTime() > DEADLINE) {
                    throw e;
                }
                System.err.println("again: " + e);
                Thread.sleep(100);
            }
        }
    }

    private static void write(Stream stream, int keys, int rounds) throws Exception {
        for (int round = 0; round < rounds; round++) {
            List<Stream.Entry> left = new ArrayList<>();
            for (int key = 0; key < keys; key++) {
                left.add(new Stream.Entry("key-" + key, "key-" + key + " " + round));
            }
            while (!left.isEmpty()) {
                List<Stream.Entry> batch = left;
                List<Integer> refused = persist(() -> stream.put(batch));
                left = new ArrayList<>();
                for (int index : refused) {
                    left.add(batch.get(index));
                }
            }
            System.out.println("round " + round);
        }
    }

    private static void read(Stream stream, long wanted) throws Exception {
        Map<String, String> iterators = new HashMap<>();
        Set<String> done = new HashSet<>();
        Set<String> seen = new HashSet<>();
        while (seen.size() < wanted) {
            if (System.nanoTime() > DEADLINE) {
                throw new IllegalStateException("saw " + seen.size() + " of " + wanted + " records");
            }
            begin(stream, iterators, done);
            int before = seen.size();
            for (String shard : List.copyOf(iterators.keySet())) {
                Stream.Page page = persist(() -> stream.get(iterators.get(shard)));
                for (Stream.Entry entry : page.entries()) {
                    if (!entry.data().startsWith(entry.key() + " ")) {
                        throw new IllegalStateException("wrong record: " + entry);
                    }
                    System.out.println(entry.data());
                    seen.add(entry.data());
                }
                if (page.next() == null) {
                    if (page.children().isEmpty()) {
                        throw new IllegalStateException(shard + " ended without children");
                    }
                    iterators.remove(shard);
                    done.add(shard);
                } else if (!page.children().isEmpty()) {
                    throw new IllegalStateException(shard + " has children and goes on");
                } else {
                    iterators.put(shard, page.next());
                }
            }
            if (seen.size() == before) {
                Thread.sleep(20);
            }
        }
    }

    /** Shards whose parents are read to the end may begin. */
    private static void begin(Stream stream, Map<String, String> iterators, Set<String> done) throws Exception {
        List<Stream.Shard> shards = persist(stream::shards);
        Set<String> listed = new HashSet<>();
        shards.forEach(shard -> listed.add(shard.id()));
        for (Stream.Shard shard : shards) {
            boolean begun = done.contains(shard.id()) || iterators.containsKey(shard.id());
            if (!begun && isOver(shard.parent(), listed, done) && isOver(shard.adjacentParent(), listed, done)) {
                iterators.put(shard.id(), persist(() -> stream.iterator(shard.id())));
            }
        }
    }

    private static boolean isOver(String parent, Set<String> listed, Set<String> done) {
        return parent == null || !listed.contains(parent) || done.contains(parent);
    }
}
