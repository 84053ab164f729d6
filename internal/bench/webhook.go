// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // Segment signs with HMAC-SHA1
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"golang.org/x/sync/errgroup"
)

const (
	// webhookSecret can be any text.
	webhookSecret   = "bench"
	signatureHeader = "X-Signature"
	// connections is how many requests are under way at once.
	connections = 8
)

// webhook is a request of Segment's destination Webhooks (Actions): a track call, or a list of them, of which it signs the
// first.
type webhook struct {
	body, signature string
}

// newWebhooks returns the track calls of this number of batches as distinct webhooks with this number of events each.
func newWebhooks(batches uint64, events int) []webhook {
	var calls []string
	for number := range batches {
		for record := range records(newWorkload(segmentText, 10).batch(number)) {
			calls = append(calls, record.Body().Str())
		}
	}
	var webhooks []webhook
	for ; len(calls) >= events; calls = calls[events:] {
		body := calls[0]
		if events > 1 {
			body = "[" + strings.Join(calls[:events], ",") + "]"
		}
		webhooks = append(webhooks, webhook{body: body, signature: hex.EncodeToString(signatureOf([]byte(calls[0])))})
	}
	return webhooks
}

func signatureOf(text []byte) []byte {
	mac := hmac.New(sha1.New, []byte(webhookSecret))
	mac.Write(text)
	return mac.Sum(nil)
}

// servePoster posts webhooks until the input ends. Each line of the input has a URL, the number of events in each webhook, and
// how many webhooks to post. When they are answered, servePoster repeats their number.
func servePoster(in io.Reader, out io.Writer) error {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
	made := map[int][]webhook{}
	lines := bufio.NewReader(in)
	for {
		var url string
		var events, number int
		if _, err := fmt.Fscanln(lines, &url, &events, &number); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if made[events] == nil {
			made[events] = newWebhooks(distinct, events)
		}
		if err := postAll(client, url, made[events], number); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(out, number); err != nil {
			return err
		}
	}
}

// postAll posts this number of webhooks, the given ones again and again.
func postAll(client *http.Client, url string, webhooks []webhook, number int) error {
	var posting errgroup.Group
	posting.SetLimit(connections)
	for i := range number {
		posting.Go(func() error { return webhooks[i%len(webhooks)].post(client, url) })
	}
	return posting.Wait()
}

func (h webhook) post(client *http.Client, url string) error {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url, strings.NewReader(h.body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set(signatureHeader, h.signature)
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	answer, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answered %s: %s", url, response.Status, answer)
	}
	return errors.Join(err, response.Body.Close())
}

// posterProcess posts webhooks from a process of its own.
type posterProcess struct {
	*helper
}

func startPoster() (*posterProcess, error) {
	h, err := startHelper("-post")
	return &posterProcess{helper: h}, err
}

// post posts this number of webhooks and waits for the answers.
func (p *posterProcess) post(url string, events, number int) error {
	if _, err := fmt.Fprintln(p.in, url, events, number); err != nil {
		return err
	}
	var posted int
	if _, err := fmt.Fscanln(p.out, &posted); err != nil {
		return fmt.Errorf("the process that posts webhooks has ended: %w", err)
	}
	return nil
}
