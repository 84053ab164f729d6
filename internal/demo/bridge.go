// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
	"github.com/impression-collector/impression-bridge/internal/collectortest"
)

// runBridge sends the events of a file through the collector in a folder to a fake Amplitude, and shows what it then knows
// about each user. Before it stops the collector, it waits for in to have a line or to end, so that users can look at the inspector.
func runBridge(ctx context.Context, in io.Reader, out io.Writer, folder, events string, update bool) (err error) {
	server := amplitudetest.New()
	if err := server.Listen(ctx, "127.0.0.1:0"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()

	c, err := collectortest.StartDelivery(ctx, filepath.Join(folder, "collector.yaml"), events, server)
	if err != nil {
		return err
	}
	if err := errors.Join(showInspector(in, out, c.InspectorEndpoint), c.Stop()); err != nil {
		return err
	}
	expected := filepath.Join(folder, "expected.ndjson")
	known := knownObjects(server.Users())
	if update {
		return writeExpected(expected, known)
	}
	if err := printBridgeIntroduction(out, events); err != nil {
		return err
	}
	if err := errors.Join(server.WriteKnown(out), checkExpected(expected, known)); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "\n%d users and devices: the same as in testdata/demo/bridge/expected.ndjson\n", len(server.Users()))
	return err
}

func showInspector(in io.Reader, out io.Writer, endpoint string) error {
	if _, err := fmt.Fprintf(out, "The inspector shows what became of the events: http://%s\nPress Enter to go on.\n\n", endpoint); err != nil {
		return err
	}
	if _, err := bufio.NewReader(in).ReadString('\n'); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

func printBridgeIntroduction(out io.Writer, events string) error {
	input, err := os.ReadFile(events)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, `The %d lines of testdata/demo/events.ndjson, sent through the impression processor and the exporter to a fake Amplitude.
The exporter skips lines that aren't JSON, aren't events or calls, or have neither a user nor a device.

What Amplitude now knows about each user, with the events in order of arrival:

`, bytes.Count(input, []byte("\n")))
	return err
}

// knownObjects returns an object with the user properties of each user, followed by an object per event. Users are sorted
// by id, because the exporter's lanes send in a different order in each run.
func knownObjects(users []amplitudetest.User) []map[string]any {
	slices.SortFunc(users, func(a, b amplitudetest.User) int { return cmp.Compare(a.ID, b.ID) })
	var objects []map[string]any
	for _, u := range users {
		objects = append(objects, map[string]any{"user": u.ID, "user_properties": u.Properties})
		for i := range u.Events {
			e := &u.Events[i]
			event := map[string]any{"event_type": e.Type, "insert_id": e.InsertID, "time": e.Time}
			for field, value := range map[string]string{"user_id": e.UserID, "device_id": e.DeviceID} {
				if value != "" {
					event[field] = value
				}
			}
			for field, properties := range map[string]map[string]any{"event_properties": e.Properties, "user_properties": e.UserProperties} {
				if properties != nil {
					event[field] = properties
				}
			}
			objects = append(objects, event)
		}
	}
	return objects
}
