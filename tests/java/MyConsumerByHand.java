import java.lang.reflect.Method;
import java.time.Duration;
import java.util.Arrays;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;

/**
 * Consumes with commits by hand. `halt` as the commit mode ends the process between poll and commit, as a crash would.
 * Arguments: bootstrap servers, topic, group, count, commit mode (`sync`, `async`, `halt`).
 */
public class MyConsumerByHand {
    public static void main(String[] args) throws Exception {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", args[0]);
        settings.put("group.id", args[2]);
        settings.put("enable.auto.commit", "false");
        settings.put("auto.offset.reset", "earliest");
        settings.put("key.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
        settings.put("value.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
        int left = Integer.parseInt(args[3]);
        KafkaConsumer<String, String> consumer = new KafkaConsumer<>(settings);
        consumer.subscribe(Arrays.asList(args[1]));
        while (left > 0) {
            boolean empty = true;
            for (ConsumerRecord<String, String> record : poll(consumer)) {
                System.out.println(record.partition() + " " + record.offset() + " " + record.value());
                left--;
                empty = false;
            }
            if (empty) {
                continue;
            }
            if (args[4].equals("halt")) {
                System.out.flush();
                Runtime.getRuntime().halt(0);
            } else if (args[4].equals("sync")) {
                consumer.commitSync();
            } else {
                consumer.commitAsync();
            }
        }
        consumer.close();
    }

    /** The tutorial's deprecated poll(long) where the client still has it. */
    @SuppressWarnings("unchecked")
    private static ConsumerRecords<String, String> poll(KafkaConsumer<String, String> consumer) throws Exception {
        try {
            Method old = KafkaConsumer.class.getMethod("poll", long.class);
            return (ConsumerRecords<String, String>) old.invoke(consumer, 3000L);
        } catch (NoSuchMethodException gone) {
            return consumer.poll(Duration.ofMillis(3000));
        }
    }
}
