// SPDX-License-Identifier: Apache-2.0

// Package collectortest runs the collectors that make builds, for tests and for the demo.
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

	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
)

// The collectors that make collector and make collector-ottl build.
const (
	Default = "otelcol-impression"
	OTTL    = "otelcol-impression-ottl"
)

// FileGate is the flag for a feature gate of the receiver file_log, which makes it save how far it has read only when the
// records are handed on. Without it, a collector that is killed in between loses them.
const FileGate = "--feature-gates=stanza.synchronousLogEmitter"

// maxWait bounds every wait. A collector is ready in a fraction of a second, but a busy machine may need much longer.
const maxWait = 2 * time.Minute

// Root returns the repository folder that contains the current folder.
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
			return "", errors.New("not inside the repository: neither this folder nor any parent has a builder-config.yaml")
		}
		at = filepath.Dir(at)
	}
}

// binary returns the path of a built collector. Its os.Stat also tells Go's test cache that the test depends on the file.
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

// Run runs a collector with the arguments until it exits, and returns its output. The error is an *exec.ExitError if it
// ran but failed.
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
	// OTLPEndpoint is a free host and port, which the configuration refers to as ${env:OTLP_ENDPOINT}.
	OTLPEndpoint string

	// OTLPURL is where the collector takes logs over HTTP. It begins with https if the configuration has TLS.
	OTLPURL string

	// Client trusts the collector's certificate and sends a token. It works for collectors without TLS and authentication too.
	Client *http.Client

	// Transport is the client's, without the token.
	Transport *http.Transport

	// HealthEndpoint is another endpoint, for ${env:HEALTH_ENDPOINT}.
	HealthEndpoint string

	// InspectorEndpoint is another, for ${env:INSPECTOR_ENDPOINT}.
	InspectorEndpoint string

	path               string
	flags, environment []string

	command *exec.Cmd
	logs    syncBuffer
	// exited is closed after the process has exited and exitErr is set.
	exited  chan struct{}
	exitErr error
}

// Start starts a collector and waits until all its pipelines run. The variables, each "NAME=value", are environment
// variables for the configuration, in addition to OTLP_ENDPOINT, HEALTH_ENDPOINT, INSPECTOR_ENDPOINT, METRICS_LEVEL, and
// those of a certificate and of tokens. The configuration must use ${env:HEALTH_ENDPOINT} as the endpoint of its health_check
// extension. METRICS_LEVEL is none, because collectors with metrics would all listen on the same port.
func Start(ctx context.Context, name, config string, variables ...string) (*Collector, error) {
	return StartWithFlags(ctx, name, config, nil, variables...)
}

// StartWithFlags is like Start, with flags in addition to --config and FileGate.
func StartWithFlags(ctx context.Context, name, config string, flags []string, variables ...string) (*Collector, error) {
	path, err := binary(name)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(config)
	if err != nil {
		return nil, err
	}
	otlp, otlpErr := FreeEndpoint(ctx)
	health, healthErr := FreeEndpoint(ctx)
	inspector, inspectorErr := FreeEndpoint(ctx)
	if err := errors.Join(otlpErr, healthErr, inspectorErr); err != nil {
		return nil, err
	}
	arguments := []string{"--config", config}
	if name == Default {
		// The other collector has no file_log and refuses gates that it doesn't know.
		arguments = append(arguments, FileGate)
	}
	scheme := "http"
	if bytes.Contains(text, []byte("${env:TLS_CERT_FILE")) {
		scheme = "https"
	}
	c := &Collector{
		OTLPEndpoint:      otlp,
		OTLPURL:           scheme + "://" + otlp + "/v1/logs",
		HealthEndpoint:    health,
		InspectorEndpoint: inspector,
		path:              path,
		flags:             append(arguments, flags...),
		environment: append(append(os.Environ(), variables...),
			"OTLP_ENDPOINT="+otlp, "HEALTH_ENDPOINT="+health, "INSPECTOR_ENDPOINT="+inspector, "METRICS_LEVEL=none"),
	}
	if err := c.useCredentials(); err != nil {
		return nil, err
	}
	if err := c.Restart(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// Restart starts a collector that has exited again, with the same configuration, variables and endpoints, and waits until
// all its pipelines run. New logs are appended to the old ones.
func (c *Collector) Restart(ctx context.Context) error {
	if err := c.Launch(ctx); err != nil {
		return err
	}
	if err := c.WaitUntil(ctx, "it to be ready", func() (bool, error) { return isHealthy(ctx, c.HealthEndpoint) }); err != nil {
		return errors.Join(err, c.Kill())
	}
	return nil
}

// Launch is like Restart but doesn't wait.
func (c *Collector) Launch(ctx context.Context) error {
	c.command = exec.CommandContext(ctx, c.path, c.flags...)
	c.command.Env = c.environment
	c.command.Stdout, c.command.Stderr = &c.logs, &c.logs
	c.exited, c.exitErr = make(chan struct{}), nil
	if err := c.command.Start(); err != nil {
		return err
	}
	go func() {
		c.exitErr = c.command.Wait()
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
		return false, nil //nolint:nilerr // it doesn't listen yet
	}
	return response.StatusCode == http.StatusOK, response.Body.Close()
}

// WaitUntil waits until the condition holds. It fails if the condition returns an error, if the collector exits, or after
// maxWait. The error says what it was waiting for and includes the collector's logs.
func (c *Collector) WaitUntil(ctx context.Context, what string, condition func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, maxWait)
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
				err = fmt.Errorf("it exited (%s)", c.command.ProcessState)
			case <-ctx.Done():
				err = ctx.Err()
			}
		}
		return fmt.Errorf("collector: waiting for %s: %w\n%s", what, err, c.Logs())
	}
}

// WaitForCounts waits until the counts of the fake Amplitude meet the condition.
func (c *Collector) WaitForCounts(ctx context.Context, server *amplitudetest.Server, condition func(amplitudetest.Counts) bool) error {
	var counts amplitudetest.Counts
	err := c.WaitUntil(ctx, "requests to Amplitude", func() (bool, error) {
		counts = server.Counts()
		return condition(counts), nil
	})
	if err != nil {
		return fmt.Errorf("after %+v: %w", counts, err)
	}
	return nil
}

// Stop sends the collector SIGTERM, as orchestrators do, and waits until it exits. A collector processes everything that
// it has accepted first. Stop fails if the exit status isn't 0.
func (c *Collector) Stop() error {
	if err := c.command.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-c.exited:
	case <-time.After(maxWait):
		return errors.Join(fmt.Errorf("the collector didn't exit within %s\n%s", maxWait, c.Logs()), c.Kill())
	}
	if c.exitErr != nil {
		return fmt.Errorf("the collector failed: %w\n%s", c.exitErr, c.Logs())
	}
	return nil
}

// Kill sends the collector SIGKILL, as the system does when memory runs out, and waits until it has exited.
func (c *Collector) Kill() error {
	err := c.command.Process.Kill()
	<-c.exited
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// Run is like the function Run, for the same collector and with the same variables.
func (c *Collector) Run(ctx context.Context, args ...string) (string, error) {
	command := exec.CommandContext(ctx, c.path, args...)
	command.Env = c.environment
	printed, err := command.CombinedOutput()
	return string(printed), err
}

// PID returns the process id.
func (c *Collector) PID() int {
	return c.command.Process.Pid
}

// Logs returns everything that the collector has printed so far.
func (c *Collector) Logs() string {
	return c.logs.String()
}

// syncBuffer is a buffer that is safe for concurrent use.
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

// usedEndpoints holds the endpoints that FreeEndpoint has returned, because the system could pick the same port again
// before the collector listens on it.
var usedEndpoints sync.Map

// FreeEndpoint returns a host and port on which nothing listens. Each call returns a different one.
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
		if _, used := usedEndpoints.LoadOrStore(endpoint, true); !used {
			return endpoint, nil
		}
	}
}
