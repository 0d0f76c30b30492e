import java.util.List;

/** What the writer and the reader need of a stream, whichever SDK answers it. */
interface Stream {
    record Entry(String key, String data) {}

    record Shard(String id, String parent, String adjacentParent) {}

    record Page(List<Entry> entries, String next, List<String> children) {}

    /** Indexes of the entries that were refused. */
    List<Integer> put(List<Entry> entries) throws Exception;

    List<Shard> shards() throws Exception;

    /** From the shard's start, or behind the sequence number when one is given. */
    String iterator(String shard) throws Exception;

    Page get(String iterator) throws Exception;
}
