// stream-client put|get ENDPOINT STREAM KEYS ROUNDS: the SDK for Go v2.
//
// put: each round writes one record for each key, all acknowledged before the next begins, and prints "round N".
// get: follows the shards from parents to children and prints "KEY ROUND" for each record, until all were seen.
// Calls that fail are made again: the server may go away in between.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

var deadline = time.Now().Add(240 * time.Second)

type reader struct {
	client    *kinesis.Client
	stream    *string
	iterators map[string]*string
	done      map[string]bool
	seen      map[string]bool
}

func persist[T any](call func(context.Context) (T, error)) T {
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		answer, err := call(ctx)
		cancel()
		if err == nil {
			return answer
		}
		if time.Now().After(deadline) {
			log.Fatal(err)
		}
		log.Print("again: ", err)
		time.Sleep(100 * time.Millisecond)
	}
}

func write(client *kinesis.Client, stream string, keys, rounds int) {
	for round := range rounds {
		left := make([]types.PutRecordsRequestEntry, keys)
		for key := range keys {
			name := fmt.Sprintf("key-%d", key)
			left[key] = types.PutRecordsRequestEntry{PartitionKey: &name, Data: fmt.Appendf(nil, "%s %d", name, round)}
		}
		for len(left) > 0 {
			answer := persist(func(ctx context.Context) (*kinesis.PutRecordsOutput, error) {
				return client.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: &stream, Records: left})
			})
			var refused []types.PutRecordsRequestEntry
			for i, record := range answer.Records {
				if record.ErrorCode != nil {
					refused = append(refused, left[i])
				}
			}
			left = refused
		}
		fmt.Println("round", round)
	}
}

// Shards whose parents are read to the end may begin.
func (r *reader) begin() {
	answer := persist(func(ctx context.Context) (*kinesis.ListShardsOutput, error) {
		return r.client.ListShards(ctx, &kinesis.ListShardsInput{StreamName: r.stream})
	})
	listed := map[string]bool{}
	for _, shard := range answer.Shards {
		listed[*shard.ShardId] = true
	}
	isOver := func(parent *string) bool { return parent == nil || !listed[*parent] || r.done[*parent] }
	for _, shard := range answer.Shards {
		id := *shard.ShardId
		if r.done[id] || r.iterators[id] != nil || !isOver(shard.ParentShardId) || !isOver(shard.AdjacentParentShardId) {
			continue
		}
		r.iterators[id] = persist(func(ctx context.Context) (*kinesis.GetShardIteratorOutput, error) {
			return r.client.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{
				StreamName: r.stream, ShardId: &id, ShardIteratorType: types.ShardIteratorTypeTrimHorizon})
		}).ShardIterator
	}
}

func (r *reader) page(shard string) {
	answer := persist(func(ctx context.Context) (*kinesis.GetRecordsOutput, error) {
		return r.client.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: r.iterators[shard]})
	})
	for _, record := range answer.Records {
		if !strings.HasPrefix(string(record.Data), *record.PartitionKey+" ") {
			log.Fatalf("wrong record: %s: %s", *record.PartitionKey, record.Data)
		}
		fmt.Println(string(record.Data))
		r.seen[string(record.Data)] = true
	}
	if (answer.NextShardIterator == nil) != (len(answer.ChildShards) > 0) {
		log.Fatalf("%s: next %v, children %v", shard, answer.NextShardIterator, answer.ChildShards)
	}
	if answer.NextShardIterator == nil {
		delete(r.iterators, shard)
		r.done[shard] = true
		return
	}
	r.iterators[shard] = answer.NextShardIterator
}

func (r *reader) read(wanted int) {
	for len(r.seen) < wanted {
		if time.Now().After(deadline) {
			log.Fatalf("saw %d of %d records", len(r.seen), wanted)
		}
		r.begin()
		before := len(r.seen)
		shards := []string{}
		for shard := range r.iterators {
			shards = append(shards, shard)
		}
		for _, shard := range shards {
			r.page(shard)
		}
		if len(r.seen) == before {
			time.Sleep(20 * time.Millisecond)
		}
	}
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		log.Fatal(err)
	}
	return n
}

func main() {
	mode, endpoint, stream, keys, rounds := os.Args[1], os.Args[2], os.Args[3], number(os.Args[4]), number(os.Args[5])
	client := kinesis.New(kinesis.Options{
		BaseEndpoint: aws.String(endpoint),
		Region:       "us-east-1",
		Credentials:  credentials.NewStaticCredentialsProvider("test", "test", ""),
	})
	if mode == "put" {
		write(client, stream, keys, rounds)
		return
	}
	r := reader{client, &stream, map[string]*string{}, map[string]bool{}, map[string]bool{}}
	r.read(keys * rounds)
}
