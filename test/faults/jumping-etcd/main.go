// etcd whose wall clock can be moved: what ETCD_CLOCK_FILE holds, in seconds, is added to the machine's time.
package main

import (
	"os"
	"strconv"
	"strings"
	"time"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() {
	follow(os.Getenv("ETCD_CLOCK_FILE"))
	os.Unsetenv("ETCD_CLOCK_FILE")
	etcdmain.Main(os.Args)
}

// follow reads the file now, and every ten milliseconds.
func follow(file string) {
	read := func() {
		text, err := os.ReadFile(file)
		if err != nil {
			return
		}
		if seconds, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil {
			time.SetJump(seconds)
		}
	}
	read()
	go func() {
		for range time.Tick(10 * time.Millisecond) {
			read()
		}
	}()
}
