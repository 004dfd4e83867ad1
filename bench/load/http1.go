package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"time"
)

const ioLimit = 10 * time.Second

func readRequests(file string) ([][]byte, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var list []string
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, errors.New("found no request in the file; expected at least one")
	}
	requests := make([][]byte, len(list))
	for i, request := range list {
		requests[i] = []byte(request)
	}
	return requests, nil
}

var headEnd = []byte("\r\n\r\n")
var lengthName = []byte("content-length:")
var chunkedName = []byte("transfer-encoding: chunked")

// readAnswer reads one answer with a content-length or in chunks; its body is thrown away. An error for a status other than 200.
func readAnswer(reader *bufio.Reader) error {
	head, err := readHead(reader)
	if err != nil {
		return err
	}
	if len(head) < 12 || string(head[9:12]) != "200" {
		return fmt.Errorf("found the status line %q; expected 200", bytes.SplitN(head, []byte("\r\n"), 2)[0])
	}
	lower := bytes.ToLower(head)
	if at := bytes.Index(lower, lengthName); at >= 0 {
		rest := lower[at+len(lengthName):]
		length, err := strconv.Atoi(string(bytes.TrimSpace(rest[:bytes.IndexByte(rest, '\r')])))
		if err != nil {
			return err
		}
		_, err = reader.Discard(length)
		return err
	}
	if bytes.Contains(lower, chunkedName) {
		return discardChunks(reader)
	}
	return errors.New("found an answer without a length; expected content-length or chunks")
}

// readHead returns a head with its empty line; it is valid until the next read.
func readHead(reader *bufio.Reader) ([]byte, error) {
	for size := 1; ; {
		if _, err := reader.Peek(size); err != nil {
			return nil, err
		}
		buffered, _ := reader.Peek(reader.Buffered())
		if end := bytes.Index(buffered, headEnd); end >= 0 {
			head := buffered[:end+len(headEnd)]
			_, _ = reader.Discard(len(head))
			return head, nil
		}
		if size = len(buffered) + 1; size > reader.Size() {
			return nil, errors.New("found a head that is too long")
		}
	}
}

func discardChunks(reader *bufio.Reader) error {
	for {
		line, err := reader.ReadSlice('\n')
		if err != nil {
			return err
		}
		size, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 16, 64)
		if err != nil {
			return err
		}
		if _, err := reader.Discard(int(size) + 2); err != nil {
			return err
		}
		if size == 0 {
			return nil
		}
	}
}

// runBodies is a closed loop of requests with a large body in one direction.
func runBodies(o options) error {
	requests, err := readRequests(o.requests)
	if err != nil {
		return err
	}
	body := make([]byte, o.bytes)
	return closedLoop(o.connections, o.seconds, func(_ int, until time.Time, record func(time.Duration)) error {
		connection, err := net.Dial("tcp", o.addr)
		if err != nil {
			return err
		}
		defer connection.Close()
		reader := bufio.NewReaderSize(connection, 256<<10)
		for turn := 0; ; turn++ {
			started := time.Now()
			if started.After(until) {
				return nil
			}
			_ = connection.SetDeadline(started.Add(ioLimit))
			parts := net.Buffers{requests[turn%len(requests)]}
			if o.upload {
				parts = append(parts, body)
			}
			if _, err := parts.WriteTo(connection); err != nil {
				return err
			}
			if err := readAnswer(reader); err != nil {
				return err
			}
			record(time.Since(started))
		}
	})
}

// serveBodies answers GET with a body of `bytes`, and reads away what comes with any other method.
func serveBodies(o options) error {
	large := append([]byte(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n", o.bytes)), make([]byte, o.bytes)...)
	small := []byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	return serve(o.addr, func(connection net.Conn) error {
		reader := bufio.NewReaderSize(connection, 256<<10)
		for {
			head, err := readHead(reader)
			if err != nil {
				return err
			}
			answer := small
			if bytes.HasPrefix(head, []byte("GET ")) {
				answer = large
			} else if err := discardBody(reader, bytes.ToLower(head)); err != nil {
				return err
			}
			if _, err := connection.Write(answer); err != nil {
				return err
			}
		}
	})
}

func discardBody(reader *bufio.Reader, head []byte) error {
	at := bytes.Index(head, lengthName)
	if at < 0 {
		return discardChunks(reader)
	}
	rest := head[at+len(lengthName):]
	length, err := strconv.Atoi(string(bytes.TrimSpace(rest[:bytes.IndexByte(rest, '\r')])))
	if err != nil {
		return err
	}
	_, err = reader.Discard(length)
	return err
}

// serve hands each connection to a goroutine of its own, until the process is stopped.
func serve(addr string, talk func(net.Conn) error) error {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	announce(addr)
	for {
		connection, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer connection.Close()
			if err := talk(connection); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
				fmt.Fprintf(os.Stderr, "server: %v\n", err)
			}
		}()
	}
}
