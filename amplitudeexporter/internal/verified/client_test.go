// SPDX-License-Identifier: Apache-2.0

package verified

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/storagetest"
)

// opened is a client with what it reported.
type opened struct {
	*Client
	unreadable []string
	errors     int
}

func openWith(t *testing.T, open func() (storage.Client, error)) (*opened, error) {
	t.Helper()
	o := &opened{}
	var err error
	o.Client, err = Open(Settings{
		Name:  "the disk",
		Index: "index",
		IsItem: func(key string) bool {
			return len(key) == 1
		},
		Decode: func(_ string, value []byte) error {
			if bytes.Equal(value, []byte("panic")) {
				panic("cannot decode")
			}
			if len(value) > 0 && value[0] == '!' {
				return errors.New("not valid")
			}
			return nil
		},
		OnUnreadable: func(key, keptAs string, reason error) {
			o.unreadable = append(o.unreadable, key+" "+keptAs+" "+reason.Error())
		},
		OnError: func() { o.errors++ },
	}, open)
	return o, err
}

func openOn(t *testing.T, d *storagetest.Disk) *opened {
	t.Helper()
	o, err := openWith(t, func() (storage.Client, error) { return d.Client("x"), nil })
	require.NoError(t, err)
	return o
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	d := storagetest.NewDisk(nil)
	o := openOn(t, d)
	value := []byte("value")
	set := storage.SetOperation("1", value)
	require.NoError(t, o.Batch(t.Context(), set, storage.SetOperation("index", nil), storage.SetOperation("other", value)))
	assert.Equal(t, "value", string(set.Value), "the caller's value")
	assert.Equal(t, "value", string(d.State()["x/other"]))
	assert.NotEqual(t, "value", string(d.State()["x/1"]))
	for key, want := range map[string][]byte{"1": value, "index": {}, "other": value} {
		stored, err := o.Get(t.Context(), key)
		require.NoError(t, err)
		assert.Equal(t, want, stored, key)
	}
	keys, canList, err := o.Keys(t.Context())
	require.NoError(t, err)
	assert.True(t, canList)
	slices.Sort(keys)
	assert.Equal(t, []string{"1", "index", "other"}, keys)
	require.NoError(t, o.Delete(t.Context(), "1"))
	assert.NotContains(t, d.State(), "x/1")
	assert.Empty(t, o.unreadable)
	assert.Zero(t, o.errors)
	require.NoError(t, o.Close(t.Context()))
}

// TestOlderVersionsReadSealedValues: to them, a seal is an unknown field.
func TestOlderVersionsReadSealedValues(t *testing.T) {
	logs := plog.NewLogs()
	logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body().SetStr("body")
	content, err := (&plog.ProtoMarshaler{}).MarshalLogs(logs)
	require.NoError(t, err)
	read, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(seal("1", content))
	require.NoError(t, err)
	assert.Equal(t, logs, read)
}

// TestEveryFlippedBitIsNoticed in an item and in the index.
func TestEveryFlippedBitIsNoticed(t *testing.T) {
	value := []byte("value")
	for _, key := range []string{"1", "index"} {
		whole := seal(key, value)
		for bit := range 8 * len(whole) {
			damaged := bytes.Clone(whole)
			damaged[bit/8] ^= 1 << (bit % 8)
			o := openOn(t, storagetest.NewDisk(map[string][]byte{"x/" + key: damaged}))
			read, err := o.Get(t.Context(), key)
			if len(o.unreadable) == 0 && err == nil {
				// A seal that is no longer recognized looks like an item of an older version.
				assert.Equal(t, damaged, read)
				assert.GreaterOrEqual(t, bit/8, len(value))
				assert.Less(t, bit/8, len(value)+len(sealTag))
			}
		}
	}
}

func TestUnreadableItems(t *testing.T) {
	for name, c := range map[string]struct {
		stored []byte
		want   string
	}{
		"missing":               {nil, "1  it is missing"},
		"damaged":               {seal("2", []byte("value")), "1 unreadable-1 its checksum is wrong"},
		"older, invalid":        {[]byte("!"), "1 unreadable-1 not valid"},
		"older, decoder panics": {[]byte("panic"), "1 unreadable-1 cannot decode"},
	} {
		t.Run(name, func(t *testing.T) {
			d := storagetest.NewDisk(map[string][]byte{"x/1": c.stored})
			o := openOn(t, d)
			value, err := o.Get(t.Context(), "1")
			require.NoError(t, err)
			assert.Nil(t, value)
			assert.Equal(t, []string{c.want}, o.unreadable)
			assert.Equal(t, c.stored, d.State()["x/unreadable-1"])
		})
	}
}

// TestAnItemThatCannotBeKeptIsNotPassedOver, because then its bytes would be lost.
func TestAnItemThatCannotBeKeptIsNotPassedOver(t *testing.T) {
	d := storagetest.NewDisk(map[string][]byte{"x/1": []byte("!")})
	d.FailIf(func(key string) bool { return key == "x/unreadable-1" })
	o := openOn(t, d)
	_, err := o.Get(t.Context(), "1")
	require.ErrorIs(t, err, storagetest.ErrFails)
	assert.Empty(t, o.unreadable)
	assert.Equal(t, 1, o.errors)
}

func TestADamagedIndexIsAnError(t *testing.T) {
	o := openOn(t, storagetest.NewDisk(map[string][]byte{"x/index": []byte("!")}))
	_, err := o.Get(t.Context(), "index")
	require.ErrorIs(t, err, ErrDamaged)
	require.ErrorContains(t, err, "the disk, key index")
}

// panics is a storage that panics.
type panics struct{ storage.Client }

func (panics) Batch(context.Context, ...*storage.Operation) error {
	panic("page 8")
}

func TestPanicsAreErrors(t *testing.T) {
	_, err := openWith(t, func() (storage.Client, error) { panic("page 7") })
	require.ErrorContains(t, err, "the disk is probably damaged: page 7")
	o, err := openWith(t, func() (storage.Client, error) { return panics{storagetest.NewDisk(nil).Client("")}, nil })
	require.NoError(t, err)
	require.ErrorContains(t, o.Set(t.Context(), "1", nil), "the disk is probably damaged: page 8")
	assert.Equal(t, 1, o.errors)
	_, canList, err := o.Keys(t.Context())
	require.NoError(t, err)
	assert.False(t, canList)
}
