package scim

import (
	"bytes"
	"encoding/json"
	"io"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/internal/rest"
)

// stream is an answer that is read piece by piece. It bounds how many values are
// kept of one that holds more than any may: the members of a group are not kept,
// and may be more.
type stream struct {
	*json.Decoder
	// crowded says that the values have to be counted before they are decoded,
	// which takes three times as long.
	crowded bool
	left    int // how many values may still be kept
	most    int // how many could be
}

// maxListed is how many values a page of users may hold: a target that does not page
// shows everybody at once, some 25 values each.
const maxListed = 3 * rest.MaxValues

// newStream returns a stream that counts.
func newStream(r io.Reader) *stream {
	decoder := json.NewDecoder(r)
	// Numbers keep their digits: what is read may be written back by PUT.
	decoder.UseNumber()
	return &stream{Decoder: decoder, crowded: true, left: rest.MaxValues, most: rest.MaxValues}
}

// value decodes the next value to be kept.
func (s *stream) value() (any, error) {
	if !s.crowded {
		var value any
		err := s.Decode(&value)
		return value, err
	}
	c := counted{stream: s}
	err := s.Decode(&c)
	return c.value, err
}

// spend takes off values that are kept.
func (s *stream) spend(values int) error {
	if s.left -= values; s.left >= 0 {
		return nil
	}
	e := connectors.Errorf(connectors.Incomplete, "the answer holds more than %d values", s.most)
	e.Code = rest.CodeAnswerTooLarge
	return e
}

// counted is a value that is counted before anything is made of it.
type counted struct {
	stream *stream
	value  any
}

// UnmarshalJSON implements json.Unmarshaler: the decoder hands over the text of a
// value that it has only looked through.
func (c *counted) UnmarshalJSON(text []byte) error {
	if err := c.stream.spend(1 + rest.CountValues(text)); err != nil {
		return err
	}
	switch first := text[0]; {
	case first == '-' || first >= '0' && first <= '9':
		c.value = json.Number(text)
		return nil
	case first != '{' && first != '[':
		return json.Unmarshal(text, &c.value)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	return decoder.Decode(&c.value)
}
