package main

import (
	"bufio"
	"math/rand"
	"net"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// openLoop sends requests at times drawn beforehand, whatever the answers do: a request that finds no free connection waits
// for one, and its latency counts from when it should have been sent.
type openLoop struct {
	mutex    sync.Mutex
	idle     []*openConnection
	waiting  []time.Time
	requests [][]byte
	sent     int
	open     int
	finished *sync.Cond
	tally    *tally
}

type openConnection struct {
	net.Conn
	reader    *bufio.Reader
	intended  time.Time
	latencies []float64
}

// drainLimit bounds how long a run waits for answers after its last request.
const drainLimit = 5 * time.Second

func runOpenLoop(o options) error {
	// The thread that waits for the next start must not share its only slot with the readers.
	runtime.GOMAXPROCS(2)
	requests, err := readRequests(o.requests)
	if err != nil {
		return err
	}
	loop := &openLoop{requests: requests, tally: &tally{}}
	loop.finished = sync.NewCond(&loop.mutex)
	connections := make([]*openConnection, o.connections)
	for i := range connections {
		if connections[i], err = loop.connect(o.addr); err != nil {
			return err
		}
	}
	for _, connection := range connections {
		loop.idle = append(loop.idle, connection)
		go loop.read(connection)
	}
	started := time.Now().Add(10 * time.Millisecond)
	lateness := loop.send(started, o)
	loop.drain()
	took := time.Since(started)
	for _, connection := range connections {
		loop.tally.add(connection.latencies)
	}
	return loop.tally.print(took, lateness)
}

// connect opens a connection and sends one request over it, so that what comes first costs nothing later.
func (l *openLoop) connect(addr string) (*openConnection, error) {
	plain, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	connection := &openConnection{Conn: plain, reader: bufio.NewReaderSize(plain, 16<<10), latencies: make([]float64, 0, 1<<14)}
	_ = plain.SetDeadline(time.Now().Add(ioLimit))
	if _, err := plain.Write(l.requests[0]); err != nil {
		return nil, err
	}
	if err := readAnswer(connection.reader); err != nil {
		return nil, err
	}
	return connection, plain.SetDeadline(time.Time{})
}

// send draws pauses from an exponential distribution with a fixed seed: every leg gets the same arrivals, with the same
// bursts, and no two legs are in step with a timer of a proxy.
func (l *openLoop) send(started time.Time, o options) []float64 {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	setTimerSlack()
	draw := rand.New(rand.NewSource(o.seed))
	lateness := make([]float64, 0, int(o.rate*o.seconds*1.2)+16)
	until := started.Add(time.Duration(o.seconds * float64(time.Second)))
	for due := started; due.Before(until); due = due.Add(time.Duration(draw.ExpFloat64() / o.rate * float64(time.Second))) {
		sleepUntil(due)
		l.mutex.Lock()
		l.open++
		if len(l.idle) == 0 {
			l.waiting = append(l.waiting, due)
			l.mutex.Unlock()
			continue
		}
		connection := l.idle[len(l.idle)-1]
		l.idle = l.idle[:len(l.idle)-1]
		request := l.next()
		l.mutex.Unlock()
		lateness = append(lateness, micros(time.Since(due)))
		l.write(connection, request, due)
	}
	return lateness
}

// next needs the lock.
func (l *openLoop) next() []byte {
	request := l.requests[l.sent%len(l.requests)]
	l.sent++
	return request
}

func (l *openLoop) write(connection *openConnection, request []byte, due time.Time) {
	connection.intended = due
	if _, err := connection.Write(request); err != nil {
		_ = connection.Close() // Its reader counts the error.
	}
}

// read takes the answers of one connection, and sends what waits.
func (l *openLoop) read(connection *openConnection) {
	for {
		if err := readAnswer(connection.reader); err != nil {
			l.mutex.Lock()
			defer l.mutex.Unlock()
			if l.isIdle(connection) {
				return
			}
			l.tally.fail(err)
			l.end()
			return
		}
		connection.latencies = append(connection.latencies, micros(time.Since(connection.intended)))
		l.mutex.Lock()
		l.end()
		if len(l.waiting) == 0 {
			l.idle = append(l.idle, connection)
			l.mutex.Unlock()
			continue
		}
		due := l.waiting[0]
		l.waiting = l.waiting[1:]
		request := l.next()
		l.mutex.Unlock()
		l.write(connection, request, due)
	}
}

func (l *openLoop) isIdle(connection *openConnection) bool {
	for _, other := range l.idle {
		if other == connection {
			return true
		}
	}
	return false
}

// end needs the lock.
func (l *openLoop) end() {
	l.open--
	l.finished.Broadcast()
}

// drain waits for the answers that are still on their way; what does not come counts as errors.
func (l *openLoop) drain() {
	timer := time.AfterFunc(drainLimit, func() {
		l.mutex.Lock()
		defer l.mutex.Unlock()
		for ; l.open > 0; l.open-- {
			l.tally.fail(errLate)
		}
		l.finished.Broadcast()
	})
	defer timer.Stop()
	l.mutex.Lock()
	defer l.mutex.Unlock()
	for l.open > 0 {
		l.finished.Wait()
	}
}

// sleepUntil blocks its thread, as Go's own timers round up to whole milliseconds when nothing else is to do.
func sleepUntil(due time.Time) {
	for {
		left := time.Until(due)
		if left <= 0 {
			return
		}
		pause := syscall.NsecToTimespec(left.Nanoseconds())
		_ = syscall.Nanosleep(&pause, nil)
	}
}
