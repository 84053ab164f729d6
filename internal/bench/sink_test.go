// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestMain lets the test binary be a helper process, like the command itself.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && slices.Contains([]string{"-sink", "-post"}, os.Args[1]) {
		main()
		return
	}
	os.Exit(m.Run())
}

func post(t *testing.T, url, body string) {
	t.Helper()
	response, err := http.Post(url, "application/json", strings.NewReader(body))
	require.NoError(t, err)
	defer func() { assert.NoError(t, response.Body.Close()) }()
	said, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, response.StatusCode)
	assert.JSONEq(t, `{"code":200}`, string(said))
}

const twoEvents = `{"api_key":"k","events":[
	{"event_type":"a","event_properties":{"text":"\"event_type\":"}},{"user_id":"u","event_type":"b"}]}`

func TestSinkCounts(t *testing.T) {
	in, questions := io.Pipe()
	out, toAnswers := io.Pipe()
	served := make(chan error, 1)
	go func() { served <- serveSink(in, toAnswers) }()
	answers := bufio.NewReader(out)
	line := func() string {
		text, err := answers.ReadString('\n')
		require.NoError(t, err)
		return strings.TrimSpace(text)
	}
	url := line()
	post(t, url, twoEvents)
	post(t, url, twoEvents)
	_, err := io.WriteString(questions, "3\n")
	require.NoError(t, err)
	assert.Equal(t, "4", line())
	require.NoError(t, questions.Close())
	require.NoError(t, <-served)
}

func TestSinkWaitsForEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSink()
		arrived := make(chan int64, 1)
		go func() { arrived <- s.await(2) }()
		synctest.Wait()
		assert.Empty(t, arrived)
		s.events.Add(2)
		s.changed <- struct{}{}
		assert.Equal(t, int64(2), <-arrived)
		assert.Equal(t, int64(2), s.await(3), "await gives up after maxWait")
	})
}

func TestUnexpectedEventsAreReported(t *testing.T) {
	s, err := startSink()
	require.NoError(t, err)
	post(t, s.url, twoEvents)
	require.NoError(t, s.await(2))
	post(t, s.url, twoEvents)
	require.EqualError(t, s.await(1), "4 events arrived, but 3 were sent")
	require.NoError(t, s.close())
}
