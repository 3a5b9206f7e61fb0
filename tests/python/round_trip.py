"""Produces and consumes Chinese text through a group with one of three Python clients.

Usage: round_trip.py CLIENT BOOTSTRAP TOPIC GROUP COUNT
Prints one line `partition offset text` for each record consumed.
"""

import asyncio
import sys
import time


def texts(count):
    return [f"订单信息!{i}" for i in range(count)]


def confluent(bootstrap, topic, group, count):
    from confluent_kafka import Consumer, Producer

    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "compression.type": "lz4"})
    failed = []
    for text in texts(count):
        producer.produce(topic, text.encode(), on_delivery=lambda error, _: failed.append(error) if error else None)
    assert producer.flush(60) == 0, "not everything was acknowledged"
    assert not failed, failed
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    left = count
    deadline = time.monotonic() + 60
    while left and time.monotonic() < deadline:
        message = consumer.poll(1)
        if message is None:
            continue
        assert not message.error(), message.error()
        print(message.partition(), message.offset(), message.value().decode())
        left -= 1
    consumer.commit(asynchronous=False)
    consumer.close()
    assert left == 0, f"{left} records never came"


def kafka_python(bootstrap, topic, group, count):
    from kafka import KafkaConsumer, KafkaProducer

    producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all", compression_type="gzip")
    sent = [producer.send(topic, text.encode()) for text in texts(count)]
    for future in sent:
        future.get(60)
    producer.close()
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=group,
        auto_offset_reset="earliest",
        consumer_timeout_ms=60_000,
    )
    left = count
    for message in consumer:
        print(message.partition, message.offset, message.value.decode())
        left -= 1
        if left == 0:
            break
    consumer.commit()
    consumer.close()
    assert left == 0, f"{left} records never came"


def aio(bootstrap, topic, group, count):
    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

    async def main():
        producer = AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True)
        await producer.start()
        for text in texts(count):
            await producer.send_and_wait(topic, text.encode())
        await producer.stop()
        consumer = AIOKafkaConsumer(
            topic, bootstrap_servers=bootstrap, group_id=group, auto_offset_reset="earliest"
        )
        await consumer.start()
        for _ in range(count):
            message = await asyncio.wait_for(consumer.getone(), 60)
            print(message.partition, message.offset, message.value.decode())
        await consumer.commit()
        await consumer.stop()

    asyncio.run(main())


CLIENTS = {"confluent-kafka": confluent, "kafka-python": kafka_python, "aiokafka": aio}

if __name__ == "__main__":
    CLIENTS[sys.argv[1]](sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5]))
