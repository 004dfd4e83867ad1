package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
)

// What gRPC needs of HTTP/2 (RFC 9113), and no more: both ends of it here are ours or a proxy's, headers of the other side
// are not read, and what they say is told from the frames.

const (
	frameData         = 0
	frameHeaders      = 1
	frameReset        = 3
	frameSettings     = 4
	framePing         = 6
	frameGoAway       = 7
	frameWindowUpdate = 8

	flagEndStream  = 1
	flagAck        = 1
	flagEndHeaders = 4

	settingTableSize     = 1
	settingPush          = 2
	settingInitialWindow = 4

	preface       = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	defaultWindow = 65535
	defaultTable  = 4096
	ourWindow     = 1 << 30
	// What was read is given back in such steps.
	updateStep = 1 << 20
)

type frame struct {
	kind, flags byte
	stream      uint32
	payload     []byte
}

// link is one HTTP/2 connection: what both ends do with frames that belong to no stream.
type link struct {
	reader     *bufio.Reader
	out        []byte
	payload    []byte
	sendWindow int
	// Of the other end's decoder; below the default we do not use its table.
	tableSize   int
	hasSettings bool
	received    int
}

func newLink(reader io.Reader) *link {
	return &link{reader: bufio.NewReaderSize(reader, 64<<10), payload: make([]byte, 1<<16), sendWindow: defaultWindow, tableSize: defaultTable}
}

// greet appends our settings, with a window on the connection that nobody has to wait for.
func (l *link) greet() {
	settings := []byte{0, settingPush, 0, 0, 0, 0, 0, settingInitialWindow, 0, 0, 0, 0}
	binary.BigEndian.PutUint32(settings[8:], ourWindow)
	l.append(frameSettings, 0, 0, settings[:])
	l.giveWindow(ourWindow - defaultWindow)
}

func (l *link) giveWindow(bytes int) {
	var increment [4]byte
	binary.BigEndian.PutUint32(increment[:], uint32(bytes))
	l.append(frameWindowUpdate, 0, 0, increment[:])
}

func (l *link) append(kind, flags byte, stream uint32, payload []byte) {
	length := len(payload)
	l.out = append(l.out, byte(length>>16), byte(length>>8), byte(length), kind, flags)
	l.out = binary.BigEndian.AppendUint32(l.out, stream)
	l.out = append(l.out, payload...)
}

// read returns the next frame; its payload is valid until the next read.
func (l *link) read() (frame, error) {
	var head [9]byte
	if _, err := io.ReadFull(l.reader, head[:]); err != nil {
		return frame{}, err
	}
	length := int(head[0])<<16 | int(head[1])<<8 | int(head[2])
	if length > len(l.payload) {
		return frame{}, fmt.Errorf("found a frame of %d bytes; expected at most %d", length, len(l.payload))
	}
	payload := l.payload[:length]
	_, err := io.ReadFull(l.reader, payload)
	return frame{kind: head[3], flags: head[4], stream: binary.BigEndian.Uint32(head[5:]) & 0x7fffffff, payload: payload}, err
}

// settle does what a frame of the connection asks for; an error when the other end gives up.
func (l *link) settle(f frame) error {
	switch f.kind {
	case frameSettings:
		if f.flags&flagAck == 0 {
			l.hasSettings = true
			for at := 0; at+6 <= len(f.payload); at += 6 {
				if binary.BigEndian.Uint16(f.payload[at:]) == settingTableSize {
					l.tableSize = int(binary.BigEndian.Uint32(f.payload[at+2:]))
				}
			}
			l.append(frameSettings, flagAck, 0, nil)
		}
	case framePing:
		if f.flags&flagAck == 0 {
			l.append(framePing, flagAck, 0, f.payload)
		}
	case frameWindowUpdate:
		if f.stream == 0 {
			l.sendWindow += int(binary.BigEndian.Uint32(f.payload) & 0x7fffffff)
		}
	case frameGoAway:
		return fmt.Errorf("found GOAWAY with code %d", binary.BigEndian.Uint32(f.payload[4:]))
	case frameData:
		if l.received += len(f.payload); l.received >= updateStep {
			l.giveWindow(l.received)
			l.received = 0
		}
	}
	return nil
}

// literal appends a header field that is not in the static table with its name: `prefix` 0x40 puts it into the dynamic
// table, 0 does not (RFC 7541, 6.2).
func literal(block []byte, prefix byte, name, value string) []byte {
	block = append(block, prefix, byte(len(name)))
	block = append(block, name...)
	return append(append(block, byte(len(value))), value...)
}

// named is literal with a name of the static table below 62, for use with the dynamic table.
func named(block []byte, index byte, value string) []byte {
	return append(append(block, 0x40|index, byte(len(value))), value...)
}

// bare is named without the dynamic table.
func bare(block []byte, index byte, value string) []byte {
	if index < 15 {
		block = append(block, index)
	} else {
		block = append(block, 15, index-15)
	}
	return append(append(block, byte(len(value))), value...)
}
