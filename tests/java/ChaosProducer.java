import java.util.Properties;
import java.util.concurrent.Semaphore;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;

/**
 * Sends `number.0`, `number.1` and so on, idempotently, until a line comes on standard input. Prints for each record
 * `sequence partition offset`, or `sequence partition unknown` and the error.
 * Arguments: bootstrap servers, topic, the producer's number, the number of partitions.
 */
public class ChaosProducer {
    public static void main(String[] args) throws Exception {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", args[0]);
        settings.put("acks", "all");
        settings.put("enable.idempotence", "true");
        settings.put("retries", Integer.MAX_VALUE);
        settings.put("request.timeout.ms", "10000");
        settings.put("key.serializer", "org.apache.kafka.common.serialization.StringSerializer");
        settings.put("value.serializer", "org.apache.kafka.common.serialization.StringSerializer");
        int partitions = Integer.parseInt(args[3]);
        Semaphore room = new Semaphore(64);
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(settings)) {
            for (int i = 0; System.in.available() == 0; i++) {
                int sequence = i;
                int partition = i % partitions;
                room.acquire();
                String value = args[2] + "." + sequence;
                producer.send(new ProducerRecord<>(args[1], partition, null, value), (where, error) -> {
                    String end = error == null ? Long.toString(where.offset()) : "unknown " + error;
                    System.out.println(sequence + " " + partition + " " + end);
                    room.release();
                });
                Thread.sleep(10);
            }
        }
    }
}
