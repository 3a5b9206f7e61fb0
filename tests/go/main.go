// Produces and consumes Chinese text through a group with franz-go.
//
// Usage: client BOOTSTRAP TOPIC GROUP COUNT
// Prints one line `partition offset text` for each record consumed.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func main() {
	bootstrap, topic, group := os.Args[1], os.Args[2], os.Args[3]
	count, err := strconv.Atoi(os.Args[4])
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	producer, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.DefaultProduceTopic(topic),
		kgo.AllowAutoTopicCreation())
	if err != nil {
		log.Fatal(err)
	}
	var records []*kgo.Record
	for i := range count {
		records = append(records, kgo.StringRecord(fmt.Sprintf("订单信息!%d", i)))
	}
	if err := producer.ProduceSync(ctx, records...).FirstErr(); err != nil {
		log.Fatal(err)
	}
	producer.Close()

	consumer, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.ConsumeTopics(topic), kgo.ConsumerGroup(group),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		log.Fatal(err)
	}
	for left := count; left > 0; {
		fetches := consumer.PollFetches(ctx)
		if errs := fetches.Errors(); len(errs) > 0 {
			log.Fatal(errs)
		}
		fetches.EachRecord(func(record *kgo.Record) {
			fmt.Println(record.Partition, record.Offset, string(record.Value))
			left--
		})
	}
	if err := consumer.CommitUncommittedOffsets(ctx); err != nil {
		log.Fatal(err)
	}
	consumer.Close()
}
