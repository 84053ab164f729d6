// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"

	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
	"github.com/impression-collector/impression-bridge/internal/sdktest"
)

// event is an event that an SDK was told to track, in the form of Amplitude's HTTP V2 API.
type event map[string]any

// check compares what a fake Amplitude got with what it would have got if the events had been sent to it directly, before any
// rewriting. The events that only an SDK itself sends, and the properties that it adds, are ignored.
func check(told []event, server *amplitudetest.Server, requests []sdktest.Request) error {
	if len(told) == 0 {
		return errors.New("the SDK was told nothing")
	}
	direct, err := ingest(told)
	if err != nil {
		return err
	}
	sent, err := textOf(requests)
	if err != nil {
		return err
	}
	var errs []error
	for _, want := range direct.Users() {
		got := server.User(want.ID)
		if wanted, found := ofExperiments(want.Properties), ofExperiments(got.Properties); !reflect.DeepEqual(wanted, found) {
			errs = append(errs, fmt.Errorf("user properties of %s: want %v, got %v", want.ID, wanted, found))
		}
		if err := checkEvents(want.Events, got.Events, sent); err != nil {
			errs = append(errs, fmt.Errorf("events of %s: %w", want.ID, err))
		}
	}
	return errors.Join(errs...)
}

// ingest sends events to a fake Amplitude of their own.
func ingest(told []event) (*amplitudetest.Server, error) {
	body, err := json.Marshal(map[string]any{"api_key": "any", "events": told})
	if err != nil {
		return nil, err
	}
	server, answer := amplitudetest.New(), httptest.NewRecorder()
	server.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/2/httpapi", bytes.NewReader(body)))
	if answer.Code != http.StatusOK {
		return nil, fmt.Errorf("what the SDK was told isn't valid: %s", answer.Body)
	}
	return server, nil
}

// textOf returns the decompressed bodies.
func textOf(requests []sdktest.Request) (string, error) {
	var text strings.Builder
	for _, r := range requests {
		text.WriteString(r.Body)
		if r.BodyBase64 == nil {
			continue
		}
		unzipped, err := gzip.NewReader(bytes.NewReader(r.BodyBase64))
		if err != nil {
			return "", fmt.Errorf("%s: %w", r.Target, err)
		}
		if _, err := io.Copy(&text, unzipped); err != nil {
			return "", fmt.Errorf("%s: %w", r.Target, err)
		}
	}
	return text.String(), nil
}

// ofExperiments returns the user properties that impressions set. Others may be set by calls to identify.
func ofExperiments(properties map[string]any) map[string]any {
	kept := map[string]any{}
	for name, value := range properties {
		if strings.HasPrefix(name, "[Experiment] ") {
			kept[name] = value
		}
	}
	return kept
}

// checkEvents compares a user's events, in order. Each insert id must be in the text that the SDK sent.
func checkEvents(want, got []amplitudetest.Event, sent string) error {
	types := map[string]bool{}
	for i := range want {
		types[want[i].Type] = true
	}
	n := 0
	for i := range got {
		e := &got[i]
		if !types[e.Type] {
			continue
		}
		if n == len(want) {
			return fmt.Errorf("there are more than %d", n)
		}
		if err := checkEvent(&want[n], e, sent); err != nil {
			return fmt.Errorf("event %d, %s: %w", n, e.Type, err)
		}
		if e.Type == "[Experiment] Impression" {
			if i == 0 {
				return fmt.Errorf("event %d, %s: no update before it", n, e.Type)
			}
			if err := checkUpdate(&got[i-1], e); err != nil {
				return fmt.Errorf("update of event %d: %w", n, err)
			}
		}
		n++
	}
	if n < len(want) {
		return fmt.Errorf("got %d of %d", n, len(want))
	}
	return nil
}

func checkEvent(want, got *amplitudetest.Event, sent string) error {
	var errs []error
	if got.InsertID == "" || !strings.Contains(sent, got.InsertID) {
		errs = append(errs, fmt.Errorf("the SDK didn't send the insert id %q", got.InsertID))
	}
	for name, value := range want.Properties {
		// The exporter sends the property as the event's own time.
		if name != "time" && !isSame(value, got.Properties[name]) {
			errs = append(errs, fmt.Errorf("property %s: want %v, got %v", name, value, got.Properties[name]))
		}
	}
	return errors.Join(append(errs, checkIdentity(want, got))...)
}

// isSame reports whether two values are equal. An SDK that can't send objects may have been given JSON text.
func isSame(want, got any) bool {
	if text, isText := got.(string); isText && want != got {
		return json.Unmarshal([]byte(text), &got) == nil && reflect.DeepEqual(want, got)
	}
	return reflect.DeepEqual(want, got)
}

// checkIdentity compares type, user, device, and time.
func checkIdentity(want, got *amplitudetest.Event) error {
	type identity struct {
		eventType, user, device string
		time                    int64
	}
	wanted := identity{want.Type, want.UserID, want.DeviceID, want.Time}
	if found := (identity{got.Type, got.UserID, got.DeviceID, got.Time}); wanted != found {
		return fmt.Errorf("want %+v, got %+v", wanted, found)
	}
	return nil
}

// checkUpdate checks the user property update before an impression.
func checkUpdate(update, impression *amplitudetest.Event) error {
	want := *impression
	want.Type = "$identify"
	flag := fmt.Sprint("[Experiment] ", impression.Properties["[Experiment] Flag Key"])
	operation := map[string]any{"$unset": map[string]any{flag: "-"}}
	if variant, ok := impression.Properties["[Experiment] Variant"]; ok {
		operation = map[string]any{"$set": map[string]any{flag: variant}}
	}
	var errs []error
	if !reflect.DeepEqual(operation, update.UserProperties) {
		errs = append(errs, fmt.Errorf("want %v, got %v", operation, update.UserProperties))
	}
	if wanted := impression.InsertID + "-user-property"; wanted != update.InsertID {
		errs = append(errs, fmt.Errorf("insert id: want %s, got %s", wanted, update.InsertID))
	}
	return errors.Join(append(errs, checkIdentity(&want, update))...)
}
