// SPDX-License-Identifier: Apache-2.0

// Package users counts the distinct users of experiments by variant, in bounded memory. It keeps all users until there are too many.
// Then it keeps those of the experiment with the most users whose hash is below a bound, and halves the bound as their number grows.
// Whether a user is kept depends on the hash alone, so the kept users are a fair sample of all users: a split among them is the split
// that they really have, and the tests of package ratio are valid for them. An estimate by registers, such as HyperLogLog, has an
// error for each variant, which makes a fair split look unfair.
package users // import "github.com/impression-collector/impression-bridge/impressioninspectorextension/internal/users"

import "math"

// Window is the number of minutes for which users count as recent.
const Window = 60

// Pool bounds how many users all its experiments keep together. It isn't safe for concurrent use.
type Pool struct {
	max     int
	kept    int
	samples []*Sample
}

// NewPool returns a pool that keeps at most this number of users.
func NewPool(maxUsers int) *Pool {
	return &Pool{max: maxUsers}
}

// Sample has the users of one experiment.
type Sample struct {
	pool *Pool
	// dropped is how often the bound was halved. A user is kept if that many of the hash's highest bits are 0.
	dropped int
	users   map[uint64]user
}

// user is when a user saw each variant last.
type user struct {
	first  sight
	others []sight
	// isCounted reports whether the user was assigned to a variant before.
	isCounted bool
}

type sight struct {
	variant uint8
	minute  uint32
}

// NewSample adds an experiment.
func (p *Pool) NewSample() *Sample {
	s := &Sample{pool: p, users: map[uint64]user{}}
	p.samples = append(p.samples, s)
	return s
}

// See notes that a user saw a variant in this minute. It reports whether the user is in the sample and is assigned to a variant for the
// first time. The hash must be uniform, and the minutes must not decrease.
func (s *Sample) See(hash uint64, variant uint8, minute uint32, isAssigned bool) (isFirst bool) {
	if hash>>(64-s.dropped) != 0 {
		return false
	}
	u, known := s.users[hash]
	if known {
		u.see(sight{variant, minute})
	} else {
		u.first = sight{variant, minute}
	}
	isFirst = isAssigned && !u.isCounted
	u.isCounted = u.isCounted || isAssigned
	s.users[hash] = u
	if !known {
		s.pool.kept++
		s.pool.shrink()
	}
	return isFirst
}

func (u *user) see(seen sight) {
	if u.first.variant == seen.variant {
		u.first = seen
		return
	}
	for i := range u.others {
		if u.others[i].variant == seen.variant {
			u.others[i] = seen
			return
		}
	}
	u.others = append(u.others, seen)
}

// shrink halves the bound of the largest sample until the pool isn't too full.
func (p *Pool) shrink() {
	for p.kept > p.max {
		largest := p.samples[0]
		for _, s := range p.samples {
			if len(s.users) > len(largest.users) {
				largest = s
			}
		}
		p.kept -= largest.halve()
	}
}

func (s *Sample) halve() (removed int) {
	s.dropped++
	before := len(s.users)
	for hash := range s.users {
		if hash>>(64-s.dropped) != 0 {
			delete(s.users, hash)
		}
	}
	return before - len(s.users)
}

// Count has the distinct users of an experiment.
type Count struct {
	// Recent are the users by variant whose last sight of it was within the window.
	Recent []int64
	// Several are the users who saw more than one variant, within the window or before.
	Several int64
	// Share is the share of users that are kept: 1, 1/2, 1/4, and so on. The numbers above are of kept users; divided by it, they
	// estimate those of all users.
	Share float64
}

// Count counts the users, with variants from 0 up to the given number.
func (s *Sample) Count(variants int, now uint32) Count {
	c := Count{Recent: make([]int64, variants), Share: math.Ldexp(1, -s.dropped)}
	for _, u := range s.users {
		c.add(u.first, now)
		for _, other := range u.others {
			c.add(other, now)
		}
		if len(u.others) > 0 {
			c.Several++
		}
	}
	return c
}

func (c *Count) add(seen sight, now uint32) {
	if now-seen.minute < Window && int(seen.variant) < len(c.Recent) {
		c.Recent[seen.variant]++
	}
}

// Error returns half the width of the 95% confidence interval of an estimate from kept users, relative to it.
func (c *Count) Error(kept int64) float64 {
	if kept == 0 {
		return 0
	}
	return 1.96 * math.Sqrt((1-c.Share)/float64(kept))
}
