import java.time.Duration;
import java.util.Arrays;
import java.util.Collection;
import java.util.Properties;
import java.util.TreeSet;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RebalanceInProgressException;

/**
 * One of several consumers of a group. Prints `assigned [0, 1]` and `revoked [0, 1]` as partitions come and go,
 * `owns [0, 1]` after each change, and `partition offset text` for each record; commits after each poll. Closes the
 * consumer and ends when a line comes on standard input.
 * Arguments: bootstrap servers, topic, group, then any `name=value` to set on the consumer.
 */
public class SharingConsumer {
    public static void main(String[] args) throws Exception {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", args[0]);
        settings.put("group.id", args[2]);
        settings.put("enable.auto.commit", "false");
        settings.put("auto.offset.reset", "earliest");
        settings.put("session.timeout.ms", "6000");
        settings.put("heartbeat.interval.ms", "500");
        settings.put("key.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
        settings.put("value.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
        for (int i = 3; i < args.length; i++) {
            int equals = args[i].indexOf('=');
            settings.put(args[i].substring(0, equals), args[i].substring(equals + 1));
        }
        try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(settings)) {
            consumer.subscribe(Arrays.asList(args[1]), new ConsumerRebalanceListener() {
                @Override
                public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
                    System.out.println("assigned " + numbers(partitions));
                }

                @Override
                public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
                    System.out.println("revoked " + numbers(partitions));
                }
            });
            String owned = "";
            while (System.in.available() == 0) {
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(100))) {
                    System.out.println(record.partition() + " " + record.offset() + " " + record.value());
                }
                try {
                    consumer.commitSync();
                } catch (CommitFailedException | RebalanceInProgressException moved) {
                    // Rejoined in the next poll; what was not committed comes again.
                }
                String owns = "owns " + numbers(consumer.assignment());
                if (!owns.equals(owned)) {
                    owned = owns;
                    System.out.println(owns);
                }
            }
        }
        System.out.println("closed");
    }

    private static TreeSet<Integer> numbers(Collection<TopicPartition> partitions) {
        TreeSet<Integer> numbers = new TreeSet<>();
        for (TopicPartition partition : partitions) {
            numbers.add(partition.partition());
        }
        return numbers;
    }
}
