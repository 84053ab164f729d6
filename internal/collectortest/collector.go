// SPDX-License-Identifier: Apache-2.0

// Package collectortest runs the collectors that `make` builds, for tests and for the demo.
package collectortest // import "github.com/impression-collector/impression-bridge/internal/collectortest"

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// The collectors that `make collector` and `make collector-ottl` build.
const (
	Default = "otelcol-impression"
	OTTL    = "otelcol-impression-ottl"
)

// patience bounds every wait. A collector is ready in a fraction of a second; a busy machine may need longer.
const patience = time.Minute

// Root returns the folder of the repository, from the current folder upwards.
func Root() (string, error) {
	at, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err = os.Stat(filepath.Join(at, "builder-config.yaml")); err == nil {
			return at, nil
		}
		if at == filepath.Dir(at) {
			return "", errors.New("not inside the repository: no builder-config.yaml here or above")
		}
		at = filepath.Dir(at)
	}
}

// binary returns the path of a built collector. Looking at it also makes it an input of the test, for Go's test cache.
func binary(name string) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	path := filepath.Join(root, "_build", name)
	if _, err = os.Stat(path); err != nil {
		target := "collector"
		if name == OTTL {
			target = "collector-ottl"
		}
		return "", fmt.Errorf("run make %s first: %w", target, err)
	}
	return path, nil
}

// Run runs a subcommand of a collector to its end and returns what it printed. The error is of type *exec.ExitError
// where it ran but failed.
func Run(ctx context.Context, name string, args ...string) (string, error) {
	path, err := binary(name)
	if err != nil {
		return "", err
	}
	printed, err := exec.CommandContext(ctx, path, args...).CombinedOutput()
	return string(printed), err
}

// Collector is a running collector.
type Collector struct {
	// OTLPEndpoint is the free host and port that its configuration has as ${env:OTLP_ENDPOINT}.
	OTLPEndpoint string

	// HealthEndpoint is that which it has as ${env:HEALTH_ENDPOINT}.
	HealthEndpoint string

	path               string
	flags, environment []string

	command *exec.Cmd
	logs    syncBuffer
	// exited is closed when the process has ended, with exit.
	exited chan struct{}
	exit   error
}

// Start starts a collector and waits until all its pipelines run. Its configuration has the variables, each "NAME=value",
// as ${env:NAME}, besides ${env:OTLP_ENDPOINT} and ${env:HEALTH_ENDPOINT}: the latter is to be the endpoint of its
// health_check extension. ${env:METRICS_LEVEL} is none, for one that serves metrics has a fixed port for them.
func Start(ctx context.Context, name, config string, variables ...string) (*Collector, error) {
	return StartWithFlags(ctx, name, config, nil, variables...)
}

// StartWithFlags is Start with flags besides --config.
func StartWithFlags(ctx context.Context, name, config string, flags []string, variables ...string) (*Collector, error) {
	path, err := binary(name)
	if err != nil {
		return nil, err
	}
	if _, err = os.Stat(config); err != nil {
		return nil, err
	}
	otlp, otlpErr := FreeEndpoint(ctx)
	health, healthErr := FreeEndpoint(ctx)
	if err := errors.Join(otlpErr, healthErr); err != nil {
		return nil, err
	}
	c := &Collector{
		OTLPEndpoint:   otlp,
		HealthEndpoint: health,
		path:           path,
		flags:          append([]string{"--config", config}, flags...),
		environment:    append(append(os.Environ(), variables...), "OTLP_ENDPOINT="+otlp, "HEALTH_ENDPOINT="+health, "METRICS_LEVEL=none"),
	}
	if err := c.Restart(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// Restart starts a collector that has ended once more, with the same configuration, variables and endpoints, and waits
// until all its pipelines run. Its logs go on.
func (c *Collector) Restart(ctx context.Context) error {
	if err := c.Launch(ctx); err != nil {
		return err
	}
	if err := c.WaitUntil(ctx, "ready", func() (bool, error) { return isHealthy(ctx, c.HealthEndpoint) }); err != nil {
		return errors.Join(err, c.Kill())
	}
	return nil
}

// Launch is Restart without the wait.
func (c *Collector) Launch(ctx context.Context) error {
	c.command = exec.CommandContext(ctx, c.path, c.flags...)
	c.command.Env = c.environment
	c.command.Stdout, c.command.Stderr = &c.logs, &c.logs
	c.exited, c.exit = make(chan struct{}), nil
	if err := c.command.Start(); err != nil {
		return err
	}
	go func() {
		c.exit = c.command.Wait()
		close(c.exited)
	}()
	return nil
}

func isHealthy(ctx context.Context, endpoint string) (bool, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+endpoint, http.NoBody)
	if err != nil {
		return false, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		// It does not listen yet.
		return false, nil //nolint:nilerr // as the comment says
	}
	return response.StatusCode == http.StatusOK, response.Body.Close()
}

// WaitUntil waits until a condition holds, which is what it is for the collector to be in this state. It fails when the
// condition does, when the collector ends, and when patience does; the error has the collector's logs.
func (c *Collector) WaitUntil(ctx context.Context, state string, condition func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		holds, err := condition()
		if holds && err == nil {
			return nil
		}
		if err == nil {
			select {
			case <-tick.C:
				continue
			case <-c.exited:
				err = fmt.Errorf("it ended (%s)", c.command.ProcessState)
			case <-ctx.Done():
				err = ctx.Err()
			}
		}
		return fmt.Errorf("the collector did not get %s: %w\n%s", state, err, c.Logs())
	}
}

// Stop asks the collector to end, as an orchestrator does, and waits for it: what was accepted is processed first. It is
// an error when the collector ends with another status than 0.
func (c *Collector) Stop() error {
	if err := c.command.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-c.exited:
	case <-time.After(patience):
		return errors.Join(fmt.Errorf("the collector did not end in %s\n%s", patience, c.Logs()), c.Kill())
	}
	if c.exit != nil {
		return fmt.Errorf("the collector ended badly: %w\n%s", c.exit, c.Logs())
	}
	return nil
}

// Kill ends the collector at once, as by the system when memory runs out, and waits for it.
func (c *Collector) Kill() error {
	err := c.command.Process.Kill()
	<-c.exited
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// Run runs a subcommand of the same collector with the same variables, as the function Run does.
func (c *Collector) Run(ctx context.Context, args ...string) (string, error) {
	command := exec.CommandContext(ctx, c.path, args...)
	command.Env = c.environment
	printed, err := command.CombinedOutput()
	return string(printed), err
}

// PID is the number of the process.
func (c *Collector) PID() int {
	return c.command.Process.Pid
}

// Logs returns what the collector has printed so far.
func (c *Collector) Logs() string {
	return c.logs.String()
}

// syncBuffer is a buffer that one goroutine writes while others read.
type syncBuffer struct {
	mutex  sync.Mutex
	buffer bytes.Buffer
}

func (b *syncBuffer) Write(data []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.buffer.Write(data)
}

func (b *syncBuffer) String() string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.buffer.String()
}

// given holds the endpoints that were given out. The system could name a port again before the collector listens on it.
var given sync.Map

// FreeEndpoint returns a host and port on which nobody listens, another one at each call.
func FreeEndpoint(ctx context.Context) (string, error) {
	for {
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return "", err
		}
		endpoint := listener.Addr().String()
		if err := listener.Close(); err != nil {
			return "", err
		}
		if _, before := given.LoadOrStore(endpoint, true); !before {
			return endpoint, nil
		}
	}
}
