package main

import (
	"fmt"
	"io"
	"net"
)

const (
	grpcAnswerBytes  = 5 + 128
	grpcRequestBytes = 5 + 100
)

// grpcMessage is one message that is not compressed, with its prefix of five bytes.
func grpcMessage(bytes int) []byte {
	message := make([]byte, bytes)
	message[4] = byte(bytes - 5)
	for i := 5; i < bytes; i++ {
		message[i] = byte('a' + i%26)
	}
	return message
}

// serveGrpc answers each unary call over HTTP/2 in the clear with the same message and status 0, all calls that came in
// one read with one write.
func serveGrpc(o options) error {
	message := grpcMessage(grpcAnswerBytes)
	return serve(o.addr, func(connection net.Conn) error {
		l := newLink(connection)
		start := make([]byte, len(preface))
		if _, err := io.ReadFull(l.reader, start); err != nil {
			return err
		}
		if string(start) != preface {
			return fmt.Errorf("found %q; expected the preface of HTTP/2", start)
		}
		l.greet()
		answers := grpcAnswers{link: l, message: message}
		for {
			if l.reader.Buffered() == 0 && len(l.out) > 0 {
				if _, err := connection.Write(l.out); err != nil {
					return err
				}
				l.out = l.out[:0]
			}
			f, err := l.read()
			if err != nil {
				return err
			}
			if f.kind == frameGoAway {
				continue // Calls that are open are answered still.
			}
			if err := l.settle(f); err != nil {
				return err
			}
			if (f.kind == frameData || f.kind == frameHeaders) && f.flags&flagEndStream != 0 {
				answers.waiting = append(answers.waiting, f.stream)
			}
			answers.flush()
		}
	})
}

type grpcAnswers struct {
	*link
	message []byte
	// Calls whose answer the window of the connection has no room for yet.
	waiting []uint32
	hasSent bool
}

func (a *grpcAnswers) flush() {
	for len(a.waiting) > 0 && a.sendWindow >= len(a.message) {
		stream := a.waiting[0]
		a.waiting = a.waiting[1:]
		a.sendWindow -= len(a.message)
		head, trailers := a.blocks()
		a.append(frameHeaders, flagEndHeaders, stream, head)
		a.append(frameData, 0, stream, a.message)
		a.append(frameHeaders, flagEndHeaders|flagEndStream, stream, trailers)
	}
}

// blocks gives the header blocks of an answer: the first puts its fields into the table, later ones point at them.
func (a *grpcAnswers) blocks() ([]byte, []byte) {
	isFirst := !a.hasSent
	a.hasSent = true
	switch {
	case a.tableSize < defaultTable:
		head := []byte{0x88}
		if isFirst {
			head = []byte{0x20, 0x88} // The table has no room from here on.
		}
		return bare(head, 31, "application/grpc"), literal(nil, 0, "grpc-status", "0")
	case isFirst:
		return named([]byte{0x88}, 31, "application/grpc"), literal(nil, 0x40, "grpc-status", "0")
	default:
		return []byte{0x88, 0x80 | 63}, []byte{0x80 | 62}
	}
}
