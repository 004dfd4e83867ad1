package main

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

var errLate = errors.New("found no answer within the limit")

// runConnect opens a TLS connection with a client certificate, sends one request, reads its answer, closes, and starts
// again: full TLS 1.3 handshakes over X25519, no session is resumed. It does not verify the server, so that the proxies'
// core is full before its own is.
func runConnect(o options) error {
	requests, err := readRequests(o.requests)
	if err != nil {
		return err
	}
	pair, err := tls.LoadX509KeyPair(o.cert, o.key)
	if err != nil {
		return err
	}
	config := &tls.Config{
		Certificates:       []tls.Certificate{pair},
		InsecureSkipVerify: true,
		MinVersion:         tls.VersionTLS13,
		CurvePreferences:   []tls.CurveID{tls.X25519},
		NextProtos:         []string{"http/1.1"},
	}
	return closedLoop(o.connections, o.seconds, func(worker int, until time.Time, record func(time.Duration)) error {
		for turn := worker; ; turn++ {
			started := time.Now()
			if started.After(until) {
				return nil
			}
			if err := connectOnce(o.addr, config, requests[turn%len(requests)]); err != nil {
				return err
			}
			record(time.Since(started))
		}
	})
}

func connectOnce(addr string, config *tls.Config, request []byte) error {
	plain, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	connection := tls.Client(plain, config)
	defer connection.Close()
	_ = connection.SetDeadline(time.Now().Add(ioLimit))
	if _, err := connection.Write(request); err != nil {
		return err
	}
	return readAnswer(bufio.NewReaderSize(connection, 4096))
}

// runIdle opens connections one after the other, sends one request over each, says so, and holds them until its standard
// input ends.
func runIdle(o options) error {
	requests, err := readRequests(o.requests)
	if err != nil {
		return err
	}
	held := make([]net.Conn, 0, o.connections)
	for i := 0; i < o.connections; i++ {
		connection, err := net.Dial("tcp", o.addr)
		if err != nil {
			return err
		}
		held = append(held, connection)
		_ = connection.SetDeadline(time.Now().Add(ioLimit))
		if _, err := connection.Write(requests[i%len(requests)]); err != nil {
			return err
		}
		if err := readAnswer(bufio.NewReaderSize(connection, 4096)); err != nil {
			return err
		}
	}
	announce(o.addr)
	_, _ = io.Copy(io.Discard, os.Stdin)
	closed := 0
	for _, connection := range held {
		_ = connection.SetReadDeadline(time.Now().Add(time.Millisecond))
		if _, err := connection.Read(make([]byte, 1)); errors.Is(err, io.EOF) {
			closed++
		}
		_ = connection.Close()
	}
	fmt.Printf("{\"closed\":%d}\n", closed)
	return nil
}
