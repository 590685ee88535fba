// A panic leaves an atomic region, and the worker continues.

package export_acme_regions_api

import (
	"fmt"
	"strconv"
	"time"

	"wit_component/golem"
)

func bucket() *golem.Bucket {
	bucket, err := golem.OpenBucket("regions")
	if err != nil {
		panic(err)
	}
	return bucket
}

func increment(key string) {
	if _, err := bucket().Increment(key, 1); err != nil {
		panic(err)
	}
}

func fails() (text string) {
	defer func() { text = fmt.Sprint(recover()) }()
	golem.Atomically(func() { panic("the service did not answer") })
	return
}

func Caught(key string, pauseMs uint32) string {
	text := fails()
	// Outside of any region: each of these happens once, whatever crashes.
	increment(key)
	time.Sleep(time.Duration(pauseMs) * time.Millisecond)
	increment(key)
	return text
}

func Count(key string) uint64 {
	value, found, err := bucket().Get(key)
	if err != nil {
		panic(err)
	}
	if !found {
		return 0
	}
	count, err := strconv.ParseUint(string(value), 10, 64)
	if err != nil {
		panic(err)
	}
	return count
}
