// SPDX-License-Identifier: Apache-2.0

package delivery // import "github.com/impression-collector/impression-bridge/amplitudeexporter/internal/delivery"

import "github.com/cespare/xxhash/v2"

// partitioner splits batches among workers.
type partitioner struct {
	// shares has the items of each worker. The memory of all fields is reused for the next batch.
	shares [][]*Item
	// users and devices map an id to the index of the first item that has it.
	users, devices map[string]int32
	// parent is a forest of disjoint sets of items, by index. A root is its own parent.
	parent []int32
}

func newPartitioner(workers int) *partitioner {
	return &partitioner{shares: make([][]*Item, workers), users: map[string]int32{}, devices: map[string]int32{}}
}

// maxIDsKept bounds the memory that the maps keep from one batch to the next.
const maxIDsKept = 1 << 16

// partition returns each worker's share of the items, in order, valid until the next call. Items that share a user or a
// device, directly or through other items, are in one share, because a user's events may name the device or not. The
// device_id of the first of them, or else its user_id, decides which share.
func (p *partitioner) partition(items []*Item) [][]*Item {
	for i := range p.shares {
		p.shares[i] = p.shares[i][:0]
	}
	p.group(items)
	for i, item := range items {
		first := items[p.root(int32(i))]
		id := first.DeviceID
		if id == "" {
			id = first.UserID
		}
		share := xxhash.Sum64String(id) % uint64(len(p.shares))
		p.shares[share] = append(p.shares[share], item)
	}
	p.forgetIDs()
	return p.shares
}

func (p *partitioner) group(items []*Item) {
	p.parent = p.parent[:0]
	for i, item := range items {
		p.parent = append(p.parent, int32(i))
		p.join(p.users, item.UserID, int32(i))
		p.join(p.devices, item.DeviceID, int32(i))
	}
}

// join merges the item's set with the set of the items that have the same id.
func (p *partitioner) join(ids map[string]int32, id string, item int32) {
	if id == "" {
		return
	}
	first, known := ids[id]
	if !known {
		ids[id] = item
		return
	}
	a, b := p.root(first), p.root(item)
	// The earliest item stays the root, because its ids decide which share.
	p.parent[max(a, b)] = min(a, b)
}

func (p *partitioner) root(item int32) int32 {
	for p.parent[item] != item {
		p.parent[item] = p.parent[p.parent[item]]
		item = p.parent[item]
	}
	return item
}

func (p *partitioner) forgetIDs() {
	for _, ids := range []*map[string]int32{&p.users, &p.devices} {
		if len(*ids) > maxIDsKept {
			*ids = map[string]int32{}
			continue
		}
		clear(*ids)
	}
}
