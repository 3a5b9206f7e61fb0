// The load of bench/src/clients.rs with librdkafka:
//   rdkafka produce|consume <bootstrap> <topic> <partitions> <records> <record bytes> [key=value …]
// Ends with code 0 once all records are acknowledged, or read from the beginning of every partition.
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static long acknowledged, refused;

static void on_delivery(rd_kafka_t *producer, const rd_kafka_message_t *message, void *opaque) {
    (void)producer;
    (void)opaque;
    if (message->err)
        refused++;
    else
        acknowledged++;
}

static void must(int works, const char *what, const char *why) {
    if (!works) {
        fprintf(stderr, "%s: %s\n", what, why);
        exit(1);
    }
}

static int produce(rd_kafka_t *producer, const char *topic_name, long records, size_t bytes) {
    rd_kafka_topic_t *topic = rd_kafka_topic_new(producer, topic_name, NULL);
    char *payload = malloc(bytes);
    for (size_t at = 0; at < bytes; at++)
        payload[at] = (char)('a' + at % 26);
    for (long sent = 0; sent < records;) {
        int result = rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, payload, bytes, NULL, 0, NULL);
        if (result == 0) {
            if (++sent % 1000 == 0)
                rd_kafka_poll(producer, 0);
        } else {
            must(rd_kafka_last_error() == RD_KAFKA_RESP_ERR__QUEUE_FULL, "produce", rd_kafka_err2str(rd_kafka_last_error()));
            rd_kafka_poll(producer, 10);
        }
    }
    rd_kafka_flush(producer, 120000);
    free(payload);
    rd_kafka_topic_destroy(topic);
    return acknowledged == records && refused == 0 ? 0 : 1;
}

#define BATCH 1000

static int consume(rd_kafka_t *consumer, const char *topic, int partitions, long records, size_t bytes) {
    rd_kafka_poll_set_consumer(consumer);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(partitions);
    for (int partition = 0; partition < partitions; partition++)
        rd_kafka_topic_partition_list_add(list, topic, partition)->offset = RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_resp_err_t error = rd_kafka_assign(consumer, list);
    must(!error, "assign", rd_kafka_err2str(error));
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(consumer);
    rd_kafka_message_t *messages[BATCH];
    long read = 0, total = 0;
    while (read < records) {
        ssize_t count = rd_kafka_consume_batch_queue(queue, 1000, messages, BATCH);
        for (ssize_t at = 0; at < count; at++) {
            if (!messages[at]->err) {
                read++;
                total += (long)messages[at]->len;
            }
            rd_kafka_message_destroy(messages[at]);
        }
    }
    rd_kafka_queue_destroy(queue);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_consumer_close(consumer);
    return total == (long)bytes * records ? 0 : 1;
}

int main(int argc, char **argv) {
    must(argc >= 7, "usage", "produce|consume bootstrap topic partitions records bytes [key=value ...]");
    char why[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", argv[2], why, sizeof why);
    for (int at = 7; at < argc; at++) {
        char *value = strchr(argv[at], '=');
        must(value != NULL, argv[at], "key=value is expected");
        *value++ = 0;
        must(rd_kafka_conf_set(conf, argv[at], value, why, sizeof why) == RD_KAFKA_CONF_OK, argv[at], why);
    }
    int produces = strcmp(argv[1], "produce") == 0;
    if (produces)
        rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_t *client = rd_kafka_new(produces ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER, conf, why, sizeof why);
    must(client != NULL, "client", why);
    long records = atol(argv[5]);
    size_t bytes = (size_t)atol(argv[6]);
    int result = produces ? produce(client, argv[3], records, bytes) : consume(client, argv[3], atoi(argv[4]), records, bytes);
    rd_kafka_destroy(client);
    return result;
}
