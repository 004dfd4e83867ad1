package main

import (
	"encoding/hex"
	"io"
	"net"
	"time"
)

const tcpChunk = 256 << 10

// runTcp sends `bytes` over each of its connections and reads as many back, over and over.
func runTcp(o options) error {
	preamble, err := hex.DecodeString(o.preamble)
	if err != nil {
		return err
	}
	return closedLoop(o.connections, o.seconds, func(_ int, until time.Time, record func(time.Duration)) error {
		connection, err := net.Dial("tcp", o.addr)
		if err != nil {
			return err
		}
		defer connection.Close()
		_ = connection.SetDeadline(until.Add(ioLimit))
		if _, err := connection.Write(preamble); err != nil {
			return err
		}
		chunk := make([]byte, tcpChunk)
		for {
			started := time.Now()
			if started.After(until) {
				return nil
			}
			if err := sendAll(connection, chunk, o.bytes); err != nil {
				return err
			}
			if err := readAll(connection, chunk, o.bytes); err != nil {
				return err
			}
			record(time.Since(started))
		}
	})
}

// serveTcp reads `bytes`, sends as many, and starts again.
func serveTcp(o options) error {
	return serve(o.addr, func(connection net.Conn) error {
		chunk := make([]byte, tcpChunk)
		for {
			if err := readAll(connection, chunk, o.bytes); err != nil {
				return err
			}
			if err := sendAll(connection, chunk, o.bytes); err != nil {
				return err
			}
		}
	})
}

func sendAll(connection net.Conn, chunk []byte, bytes int) error {
	for left := bytes; left > 0; {
		count, err := connection.Write(chunk[:min(left, len(chunk))])
		if err != nil {
			return err
		}
		left -= count
	}
	return nil
}

func readAll(connection net.Conn, chunk []byte, bytes int) error {
	for left := bytes; left > 0; {
		count, err := connection.Read(chunk[:min(left, len(chunk))])
		left -= count
		if err != nil && left > 0 {
			return err
		}
		if err == io.EOF {
			return nil
		}
	}
	return nil
}
