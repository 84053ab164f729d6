// SPDX-License-Identifier: Apache-2.0

package storagefile // import "github.com/impression-collector/impression-bridge/amplitudeexporter/internal/storagefile"

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"os"
)

// Check calls visit with each key in a file, and returns an error if the file is damaged so that bbolt would panic, use up all
// memory, or miss what is in it. bbolt itself checks a file when it opens it, but in a goroutine of its own, whose panic ends
// the collector, and it doesn't say which file it is. Values aren't checked.
//
// Errors don't contain keys, because a damaged key may be part of an event. A file that doesn't exist, or that another process
// writes to, isn't damaged. lastWriteLost reports whether bbolt ignores what was written last.
func Check(path string, visit func(key []byte)) (lastWriteLost bool, err error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil || info.Size() == 0 {
		return false, err
	}
	m, lastWriteLost, err := newestMeta(file)
	if err == nil {
		c := checker{file: file, meta: m, visit: visit}
		err = c.check(uint64(info.Size()))
	}
	if err == nil {
		return lastWriteLost, nil
	}
	// If another process has the file open, it may have replaced what was being read. The storage reports that process.
	if now, _, again := newestMeta(file); again == nil && now.transaction != m.transaction {
		return false, nil
	}
	return false, fmt.Errorf("%s is damaged: %w", path, err)
}

// meta is the part of a meta page that leads to all others. Every other transaction writes to the same one of two pages.
type meta struct {
	pageSize    uint64
	root        uint64
	freelist    uint64
	pages       uint64
	transaction uint64
}

const (
	metaSize   = 64
	headerSize = 16
	magic      = 0xED0CDAED
	version    = 2
	noFreelist = ^uint64(0)
	// The sizes of a page that some system has.
	minPageSize, maxPageSize = 1 << 10, 1 << 16
)

var order = binary.NativeEndian

// newestMeta returns the valid meta of the last transaction, and whether the other one isn't valid.
func newestMeta(file io.ReaderAt) (newest meta, oneInvalid bool, err error) {
	first, firstErr := readMeta(file, 0)
	pageSize := first.pageSize
	if firstErr != nil {
		// bbolt looks for the second one in the same places.
		pageSize = minPageSize
	}
	second, secondErr := readMeta(file, pageSize)
	for firstErr != nil && secondErr != nil && pageSize < maxPageSize {
		pageSize *= 2
		second, secondErr = readMeta(file, pageSize)
	}
	switch {
	case firstErr != nil && secondErr != nil:
		return meta{}, true, errors.New("neither of its two meta pages can be read")
	case secondErr != nil, firstErr == nil && first.transaction > second.transaction:
		return first, secondErr != nil, nil
	default:
		return second, firstErr != nil, nil
	}
}

func readMeta(file io.ReaderAt, offset uint64) (meta, error) {
	page := make([]byte, headerSize+metaSize)
	if _, err := file.ReadAt(page, int64(offset)); err != nil {
		return meta{}, err
	}
	content := page[headerSize:]
	m := meta{
		pageSize:    uint64(order.Uint32(content[8:])),
		root:        order.Uint64(content[16:]),
		freelist:    order.Uint64(content[32:]),
		pages:       order.Uint64(content[40:]),
		transaction: order.Uint64(content[48:]),
	}
	if order.Uint32(content) != magic || order.Uint32(content[4:]) != version || order.Uint64(content[56:]) != checksum(content[:56]) ||
		m.pageSize < minPageSize || m.pageSize > maxPageSize {
		return meta{}, errors.New("not a meta page")
	}
	return m, nil
}

// checker checks the pages of a transaction.
type checker struct {
	meta
	file io.ReaderAt
	// isUsed reports which pages are in use.
	isUsed []bool
	visit  func(key []byte)
}

// page is the part of a page that describes what is in it. Its elements and its first keys are in head.
type page struct {
	c      *checker
	id     uint64
	isLeaf bool
	count  int
	// size includes pages that continue this one.
	size uint64
	head []byte
}

const (
	isBranch   = 1
	isLeaf     = 2
	isFreelist = 16
	// isBucket is the flag of an element whose value is a bucket.
	isBucket = 1
	// elementSize is the size of the description of a key.
	elementSize = 16
	bucketSize  = 16
	maxKeySize  = 1 << 15
)

// bucketName is the name of the only bucket in a file of file_storage.
var bucketName = []byte("default")

func (c *checker) check(size uint64) error {
	if size < c.pages*c.pageSize {
		return fmt.Errorf("it has %d bytes instead of at least %d", size, c.pages*c.pageSize)
	}
	c.isUsed = make([]bool, c.pages)
	if c.freelist != noFreelist {
		if p, flags, err := c.page(c.freelist); err != nil || flags != isFreelist {
			return cmp.Or(err, fmt.Errorf("page %d is not a list of free pages", p.id))
		}
	}
	root, err := c.node(c.root)
	if err != nil {
		return err
	}
	// bbolt creates a file in transactions 0 and 1.
	if root.count == 0 && c.transaction <= 1 {
		return nil
	}
	if !root.isLeaf || root.count != 1 {
		return fmt.Errorf("its root page %d has %d entries instead of 1", root.id, root.count)
	}
	e, err := root.element(0)
	if err != nil {
		return err
	}
	if e.flags != isBucket || !bytes.Equal(e.key, bucketName) {
		return fmt.Errorf("its root page %d has no bucket %q", root.id, bucketName)
	}
	return c.checkBucket(root, e)
}

func (c *checker) checkBucket(in page, e element) error {
	if e.valueSize < bucketSize {
		return fmt.Errorf("page %d: a bucket has %d bytes", in.id, e.valueSize)
	}
	header, err := in.read(e.value, bucketSize)
	if err != nil {
		return err
	}
	if top := order.Uint64(header); top != 0 {
		_, err := c.checkTree(top, nil)
		return err
	}
	// The bucket's only page is in its value.
	inline, err := in.read(e.value+bucketSize, e.valueSize-bucketSize)
	if err != nil {
		return err
	}
	if len(inline) < headerSize || order.Uint16(inline[8:]) != isLeaf {
		return fmt.Errorf("page %d: a small bucket is not a leaf", in.id)
	}
	p := page{c: c, id: in.id, isLeaf: true, count: int(order.Uint16(inline[10:])), size: uint64(len(inline)), head: inline}
	_, err = c.checkLeaf(p, nil)
	return err
}

// checkTree checks a page and those below it, whose keys must be less than high if that isn't nil, and returns the first key.
func (c *checker) checkTree(id uint64, high []byte) (first []byte, err error) {
	p, err := c.node(id)
	if err != nil {
		return nil, err
	}
	if p.isLeaf {
		return c.checkLeaf(p, high)
	}
	if p.count == 0 {
		return nil, fmt.Errorf("page %d leads to no other", id)
	}
	e, err := p.element(0)
	first = e.key
	for i := range p.count {
		next, end := element{}, high
		if err == nil && i+1 < p.count {
			next, err = p.element(i + 1)
			end = next.key
		}
		if err != nil {
			return nil, err
		}
		lowest, err := c.checkTree(e.child, end)
		if err != nil {
			return nil, err
		}
		// bbolt finds a page by its first key, and so loses a page whose first key isn't this.
		if !bytes.Equal(lowest, e.key) {
			return nil, fmt.Errorf("page %d does not begin with the key that leads to it", e.child)
		}
		e = next
	}
	return first, nil
}

// checkLeaf is checkTree for a leaf.
func (c *checker) checkLeaf(p page, high []byte) (first []byte, err error) {
	var last []byte
	for i := range p.count {
		e, err := p.element(i)
		if err != nil {
			return nil, err
		}
		if e.flags != 0 {
			return nil, fmt.Errorf("page %d: entry %d is not a value", p.id, i)
		}
		if bytes.Compare(e.key, last) <= 0 || high != nil && bytes.Compare(e.key, high) >= 0 {
			return nil, fmt.Errorf("page %d: entry %d is in the wrong place", p.id, i)
		}
		if i == 0 {
			first = e.key
		}
		last = e.key
		c.visit(e.key)
	}
	return first, nil
}

// node returns a page that is a branch or a leaf.
func (c *checker) node(id uint64) (page, error) {
	p, flags, err := c.page(id)
	if err != nil {
		return p, err
	}
	p.isLeaf = flags == isLeaf
	if !p.isLeaf && flags != isBranch {
		return p, fmt.Errorf("page %d has the unknown type %d", id, flags)
	}
	return p, nil
}

func (c *checker) page(id uint64) (p page, flags uint16, err error) {
	if id < 2 || id >= c.pages {
		return page{id: id}, 0, fmt.Errorf("there is no page %d; the last one is %d", id, c.pages-1)
	}
	head := make([]byte, c.pageSize)
	if _, err := c.file.ReadAt(head, int64(id*c.pageSize)); err != nil {
		return page{id: id}, 0, fmt.Errorf("page %d: %w", id, err)
	}
	more := uint64(order.Uint32(head[12:]))
	p = page{c: c, id: id, count: int(order.Uint16(head[10:])), size: (more + 1) * c.pageSize, head: head}
	if self := order.Uint64(head); self != id {
		return p, 0, fmt.Errorf("page %d says that it is page %d", id, self)
	}
	if more >= c.pages-id {
		return p, 0, fmt.Errorf("page %d says that %d pages continue it, and the last one is %d", id, more, c.pages-1)
	}
	for used := id; used <= id+more; used++ {
		if c.isUsed[used] {
			return p, 0, fmt.Errorf("page %d is used twice", used)
		}
		c.isUsed[used] = true
	}
	return p, order.Uint16(head[8:]), nil
}

// element is an entry of a page: a key, and in a branch the page where keys from there on are, in a leaf a value.
type element struct {
	key   []byte
	child uint64
	flags uint32
	// value is where the value begins in the page.
	value, valueSize uint64
}

func (p page) element(i int) (element, error) {
	at := uint64(headerSize + i*elementSize)
	description, err := p.read(at, elementSize)
	if err != nil {
		return element{}, err
	}
	var e element
	var position, keySize uint64
	if p.isLeaf {
		e.flags = order.Uint32(description)
		position, keySize = uint64(order.Uint32(description[4:])), uint64(order.Uint32(description[8:]))
		e.valueSize = uint64(order.Uint32(description[12:]))
	} else {
		position, keySize = uint64(order.Uint32(description)), uint64(order.Uint32(description[4:]))
		e.child = order.Uint64(description[8:])
	}
	key := at + position
	e.value = key + keySize
	if keySize == 0 || keySize > maxKeySize || e.value+e.valueSize > p.size {
		return element{}, fmt.Errorf("page %d: entry %d has an impossible size", p.id, i)
	}
	e.key, err = p.read(key, keySize)
	return e, err
}

// read returns some bytes of a page.
func (p page) read(from, size uint64) ([]byte, error) {
	if from+size <= uint64(len(p.head)) {
		return p.head[from : from+size], nil
	}
	if from+size > p.size {
		return nil, fmt.Errorf("page %d ends too early", p.id)
	}
	content := make([]byte, size)
	if _, err := p.c.file.ReadAt(content, int64(p.id*p.c.pageSize+from)); err != nil {
		return nil, fmt.Errorf("page %d: %w", p.id, err)
	}
	return content, nil
}

func checksum(content []byte) uint64 {
	sum := fnv.New64a()
	_, _ = sum.Write(content)
	return sum.Sum64()
}
