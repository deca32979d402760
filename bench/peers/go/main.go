// The process connector in Go, with vishvananda/netlink. Every message is decoded, sent through a channel, and handled by a
// pool of workers. Prints "ready", and at SIGTERM writes the records to its first argument.
package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const workers = 4

type record struct{ pid, kind, late uint32 }

type records struct {
	sync.Mutex
	all []record
}

func late(timestamp uint64) uint32 {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return 0
	}
	return uint32(min(uint64(now.Nano())-timestamp, math.MaxUint32))
}

func (seen *records) add(event netlink.ProcEvent, hasClock bool) {
	var kind uint32
	switch event.What {
	case netlink.PROC_EVENT_EXEC:
		kind = 1
	case netlink.PROC_EVENT_EXIT:
		kind = 2
	default:
		return
	}
	if event.Msg.Pid() != event.Msg.Tgid() {
		return
	}
	entry := record{pid: event.Msg.Tgid(), kind: kind}
	if hasClock {
		entry.late = late(event.Timestamp)
	}
	seen.Lock()
	seen.all = append(seen.all, entry)
	seen.Unlock()
}

// The library ends its monitor at the first error, even a full buffer. Open it again, as a service must.
func monitor(work chan<- netlink.ProcEvent, listening chan<- struct{}) {
	for {
		events := make(chan netlink.ProcEvent)
		failed := make(chan error, 1)
		if err := netlink.ProcEventMonitor(events, nil, failed); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if listening != nil {
			close(listening)
			listening = nil
		}
		for event := range events {
			work <- event
		}
		<-failed
	}
}

func main() {
	seen := &records{all: make([]record, 0, 1<<16)}
	hasClock := os.Args[2] == "1"
	work := make(chan netlink.ProcEvent, 256)
	for range workers {
		go func() {
			for event := range work {
				seen.add(event, hasClock)
			}
		}()
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM)
	listening := make(chan struct{})
	go monitor(work, listening)
	<-listening
	fmt.Println("ready")
	<-ended

	file, err := os.Create(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	seen.Lock()
	output := bufio.NewWriter(file)
	for _, entry := range seen.all {
		binary.Write(output, binary.NativeEndian, entry)
	}
	output.Flush()
	file.Close()
}
