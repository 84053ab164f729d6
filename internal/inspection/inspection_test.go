// SPDX-License-Identifier: Apache-2.0

package inspection

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// inspector is an Inspector of which only IsWatched may be called.
type inspector struct {
	Inspector
	isWatched bool
}

func (i *inspector) IsWatched() bool { return i.isWatched }

func TestFind(t *testing.T) {
	assert.Nil(t, Reporter{}.Watched())
	assert.Nil(t, Find(map[string]any{"other": 1}).Watched())
	extension := &inspector{}
	found := Find(map[string]any{"other": 1, "ours": extension})
	assert.Nil(t, found.Watched(), "nobody looks")
	extension.isWatched = true
	assert.Same(t, extension, found.Watched())
}
