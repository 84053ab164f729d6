// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
)

// runNode runs the scenario in Node, and returns the events that the SDK was told to track.
func (c *testCase) runNode(ctx context.Context, s *site) ([]event, error) {
	options, err := json.Marshal(map[string]string{"origin": s.server.URL, "bridge": s.server.URL, "sdk": c.sdk.name, "mode": c.mode})
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, "node", "--require", "./clock.cjs", "node.mjs", string(options))
	command.Dir, command.Stderr = c.scripts, os.Stderr
	printed, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("node: %w", err)
	}
	var told []event
	if err := json.Unmarshal(printed, &told); err != nil {
		return nil, fmt.Errorf("node printed %q: %w", printed, err)
	}
	return told, nil
}
