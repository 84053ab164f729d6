// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
)

// helper is another bench process, whose CPU time doesn't count as this one's. It ends with this process.
type helper struct {
	command *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
}

// startHelper starts the command with a flag.
func startHelper(flag string) (*helper, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	h := &helper{command: exec.Command(program, flag)}
	h.command.Stderr = os.Stderr
	if h.in, err = h.command.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := h.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	h.out = bufio.NewReader(out)
	return h, h.command.Start()
}

func (h *helper) close() error {
	return errors.Join(h.in.Close(), h.command.Wait())
}
