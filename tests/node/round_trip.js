// Produces and consumes Chinese text through a group with kafkajs.
//
// Usage: round_trip.js BOOTSTRAP TOPIC GROUP COUNT
// Prints one line `partition offset text` for each record consumed.
const { Kafka, logLevel } = require("kafkajs");

const [bootstrap, topic, groupId, countText] = process.argv.slice(2);
const count = Number(countText);
const kafka = new Kafka({ brokers: [bootstrap], logLevel: logLevel.ERROR });

async function main() {
  const producer = kafka.producer({ idempotent: true });
  await producer.connect();
  const messages = Array.from({ length: count }, (_, i) => ({ value: `订单信息!${i}` }));
  await producer.send({ topic, messages, acks: -1 });
  await producer.disconnect();

  const consumer = kafka.consumer({ groupId });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  let left = count;
  await new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${left} records never came`)), 60_000);
    consumer
      .run({
        eachMessage: async ({ partition, message }) => {
          console.log(partition, message.offset, message.value.toString());
          left -= 1;
          if (left === 0) {
            clearTimeout(timer);
            resolve();
          }
        },
      })
      .catch(reject);
  });
  await consumer.disconnect();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
