// Command load is the bench's load generator and its backends for what wrk cannot do: open loops, gRPC, bodies, TCP, new
// TLS connections, idle connections. The bench compiles it into .weft-bench when Go is there. It uses the standard library
// only, prints one line of JSON and exits.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"sort"
	"sync"
	"sync/atomic"
	"time"
)

// options are those of all commands; each reads what it needs.
type options struct {
	addr        string
	requests    string
	connections int
	streams     int
	seconds     float64
	rate        float64
	seed        int64
	bytes       int
	upload      bool
	cert        string
	key         string
	authority   string
	preamble    string
}

// result is what a run prints. Latencies are in microseconds.
type result struct {
	Ops        int64   `json:"ops"`
	Seconds    float64 `json:"seconds"`
	Errors     int64   `json:"errors"`
	FirstError string  `json:"firstError"`
	P50        float64 `json:"p50"`
	P90        float64 `json:"p90"`
	P99        float64 `json:"p99"`
	Max        float64 `json:"max"`
	// Of an open loop: how long after its intended start a request was written at the 99th percentile, when a connection was free.
	LateP99 float64 `json:"lateP99"`
}

var commands = map[string]func(options) error{
	"open":        runOpenLoop,
	"bodies":      runBodies,
	"body-server": serveBodies,
	"connect":     runConnect,
	"grpc":        runGrpc,
	"grpc-server": serveGrpc,
	"idle":        runIdle,
	"tcp":         runTcp,
	"tcp-server":  serveTcp,
}

func main() {
	// Its garbage is small and short-lived; fewer collections disturb a measurement less.
	debug.SetGCPercent(800)
	var o options
	flags := flag.NewFlagSet("load", flag.ExitOnError)
	flags.StringVar(&o.addr, "addr", "", "address and port to call, or to serve on")
	flags.StringVar(&o.requests, "requests", "", "file with a JSON list of whole HTTP/1.1 request heads, sent in turn")
	flags.IntVar(&o.connections, "connections", 1, "connections")
	flags.IntVar(&o.streams, "streams", 1, "requests at a time on each connection")
	flags.Float64Var(&o.seconds, "seconds", 1, "how long")
	flags.Float64Var(&o.rate, "rate", 1000, "requests per second of an open loop")
	flags.Int64Var(&o.seed, "seed", 1, "of the pauses of an open loop")
	flags.IntVar(&o.bytes, "bytes", 1<<20, "length of a body")
	flags.BoolVar(&o.upload, "upload", false, "send a body with each request")
	flags.StringVar(&o.cert, "cert", "", "PEM file of the client's certificate chain")
	flags.StringVar(&o.key, "key", "", "PEM file of its key")
	flags.StringVar(&o.authority, "authority", "", ":authority of gRPC requests")
	flags.StringVar(&o.preamble, "preamble", "", "hexadecimal bytes that begin each TCP connection")
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: load open|bodies|body-server|connect|grpc|grpc-server|idle|tcp|tcp-server -addr …")
		os.Exit(2)
	}
	_ = flags.Parse(os.Args[2:])
	if err := commands[os.Args[1]](o); err != nil {
		fmt.Fprintf(os.Stderr, "load %s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
}

// tally collects what the workers of a run saw. Each worker has latencies of its own, so that nothing is shared per request.
type tally struct {
	errors atomic.Int64
	once   sync.Once
	first  string
	mutex  sync.Mutex
	all    []float64
}

func (t *tally) fail(err error) {
	t.errors.Add(1)
	t.once.Do(func() { t.first = err.Error() })
}

func (t *tally) add(latencies []float64) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.all = append(t.all, latencies...)
}

func (t *tally) print(took time.Duration, lateness []float64) error {
	sort.Float64s(t.all)
	sort.Float64s(lateness)
	return json.NewEncoder(os.Stdout).Encode(result{
		Ops: int64(len(t.all)), Seconds: took.Seconds(), Errors: t.errors.Load(), FirstError: t.first,
		P50: quantile(t.all, 0.5), P90: quantile(t.all, 0.9), P99: quantile(t.all, 0.99), Max: quantile(t.all, 1),
		LateP99: quantile(lateness, 0.99),
	})
}

func quantile(sorted []float64, ratio float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[int(float64(len(sorted)-1)*ratio)]
}

func micros(duration time.Duration) float64 {
	return float64(duration.Nanoseconds()) / 1e3
}

// announce tells the bench that a server listens.
func announce(addr string) {
	fmt.Printf("{\"listening\":%q}\n", addr)
}

// closedLoop runs `work` in `workers` goroutines until the time is over; work returns when it is, or with an error. It
// returns at once after an error, so a leg that fails does so quickly.
func closedLoop(workers int, seconds float64, work func(worker int, until time.Time, record func(time.Duration)) error) error {
	t := &tally{}
	var group sync.WaitGroup
	started := time.Now()
	until := started.Add(time.Duration(seconds * float64(time.Second)))
	for worker := 0; worker < workers; worker++ {
		group.Add(1)
		go func() {
			defer group.Done()
			latencies := make([]float64, 0, 1<<16)
			err := work(worker, until, func(took time.Duration) { latencies = append(latencies, micros(took)) })
			if err != nil {
				t.fail(err)
			}
			t.add(latencies)
		}()
	}
	group.Wait()
	return t.print(time.Since(started), nil)
}
