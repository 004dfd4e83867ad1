package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"time"
)

const grpcPath = "/shop.v1.Reviews/GetReview"

// runGrpc is a closed loop of unary calls: `streams` at a time on each connection. A call counts when its whole message came
// and its stream ended with trailers; anything else is an error, as an answer of trailers only is one.
func runGrpc(o options) error {
	return closedLoop(o.connections, o.seconds, func(worker int, until time.Time, record func(time.Duration)) error {
		connection, err := net.Dial("tcp", o.addr)
		if err != nil {
			return err
		}
		defer connection.Close()
		_ = connection.SetDeadline(until.Add(ioLimit))
		caller := grpcCaller{link: newLink(connection), authority: o.authority, nextStream: 1, requestId: uint64(worker) << 32}
		caller.out = append(caller.out, preface...)
		caller.greet()
		return caller.run(connection, o.streams, until, record)
	})
}

type grpcCall struct {
	stream   uint32
	received int
	started  time.Time
}

type grpcCaller struct {
	*link
	authority  string
	nextStream uint32
	requestId  uint64
	open       []grpcCall
	block      []byte
}

var grpcRequest = grpcMessage(grpcRequestBytes)

func (c *grpcCaller) run(connection net.Conn, streams int, until time.Time, record func(time.Duration)) error {
	for {
		// Before the other end's settings it is not known what its table holds.
		if now := time.Now(); c.hasSettings && now.Before(until) {
			for len(c.open) < streams && c.sendWindow >= len(grpcRequest) {
				c.call(now)
			}
		} else if c.hasSettings && len(c.open) == 0 {
			return nil
		}
		if len(c.out) > 0 {
			if _, err := connection.Write(c.out); err != nil {
				return err
			}
			c.out = c.out[:0]
		}
		for {
			f, err := c.read()
			if err != nil {
				return err
			}
			if err := c.take(f, record); err != nil {
				return err
			}
			if c.reader.Buffered() == 0 {
				break
			}
		}
	}
}

func (c *grpcCaller) call(now time.Time) {
	c.append(frameHeaders, flagEndHeaders, c.nextStream, c.head())
	c.append(frameData, flagEndStream, c.nextStream, grpcRequest)
	c.sendWindow -= len(grpcRequest)
	c.open = append(c.open, grpcCall{stream: c.nextStream, started: now})
	c.nextStream += 2
}

func (c *grpcCaller) take(f frame, record func(time.Duration)) error {
	if err := c.settle(f); err != nil {
		return err
	}
	if f.stream == 0 || f.kind == frameWindowUpdate {
		return nil
	}
	for i := range c.open {
		call := &c.open[i]
		if call.stream != f.stream {
			continue
		}
		if f.kind == frameReset {
			return fmt.Errorf("found a reset of the stream with code %d", binary.BigEndian.Uint32(f.payload))
		}
		if f.kind == frameData {
			call.received += len(f.payload)
		}
		if (f.kind != frameData && f.kind != frameHeaders) || f.flags&flagEndStream == 0 {
			return nil
		}
		if call.received != grpcAnswerBytes || f.kind != frameHeaders {
			return fmt.Errorf("found an answer of %d bytes; expected %d and trailers", call.received, grpcAnswerBytes)
		}
		record(time.Since(call.started))
		c.open[i] = c.open[len(c.open)-1]
		c.open = c.open[:len(c.open)-1]
		return nil
	}
	if f.kind == frameHeaders {
		return errors.New("found an answer on a stream that is not open")
	}
	return nil
}

// head gives the fields that gRPC clients send, and an id of its own for each request. As theirs, its encoder puts what
// stays the same into the table once and points at it from then on.
func (c *grpcCaller) head() []byte {
	block := c.block[:0]
	usesTable := c.tableSize >= defaultTable
	isFirst := c.nextStream == 1
	if isFirst && !usesTable {
		block = append(block, 0x20)
	}
	block = append(block, 0x83, 0x86) // :method POST, :scheme http
	switch {
	case usesTable && !isFirst:
		for index := byte(62 + 6); index >= 62; index-- {
			block = append(block, 0x80|index)
		}
	case usesTable:
		block = named(named(named(block, 4, grpcPath), 1, c.authority), 31, "application/grpc")
		block = named(literal(block, 0x40, "te", "trailers"), 58, "grpc-go/1.76.0")
		block = literal(literal(block, 0x40, "grpc-accept-encoding", "gzip"), 0x40, "grpc-timeout", "5S")
	default:
		block = bare(bare(bare(block, 4, grpcPath), 1, c.authority), 31, "application/grpc")
		block = bare(literal(block, 0, "te", "trailers"), 58, "grpc-go/1.76.0")
		block = literal(literal(block, 0, "grpc-accept-encoding", "gzip"), 0, "grpc-timeout", "5S")
	}
	c.requestId++
	block = literal(block, 0, "x-request-id", fmt.Sprintf("5f0c954e-5d32-4c4a-9f5f-%012x", c.requestId))
	c.block = block
	return block
}
