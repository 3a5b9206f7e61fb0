import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;

/**
 * Sends 订单信息!0 … 订单信息!(count-1) without keys and prints `partition offset text` for each acknowledged record.
 * Arguments: bootstrap servers, topic, count, then any `name=value` to set on the producer.
 */
public class OrderProducer {
    public static void main(String[] args) throws Exception {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", args[0]);
        settings.put("acks", "all");
        settings.put("retries", 0);
        settings.put("batch.size", 16384);
        settings.put("linger.ms", 1);
        settings.put("buffer.memory", 33554432);
        settings.put("key.serializer", "org.apache.kafka.common.serialization.StringSerializer");
        settings.put("value.serializer", "org.apache.kafka.common.serialization.StringSerializer");
        for (int i = 3; i < args.length; i++) {
            int equals = args[i].indexOf('=');
            settings.put(args[i].substring(0, equals), args[i].substring(equals + 1));
        }
        int count = Integer.parseInt(args[2]);
        List<String> texts = new ArrayList<>();
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(settings)) {
            for (int i = 0; i < count; i++) {
                texts.add("订单信息!" + i);
                sent.add(producer.send(new ProducerRecord<>(args[1], texts.get(i))));
            }
            for (int i = 0; i < count; i++) {
                RecordMetadata where = sent.get(i).get();
                System.out.println(where.partition() + " " + where.offset() + " " + texts.get(i));
            }
        }
    }
}
