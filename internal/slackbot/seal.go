package slackbot

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
)

// sealer encrypts what a record must keep but not show: where to answer. Its key comes from the bot
// token, which all replicas have and nobody who can only read Leases.
type sealer struct{ aead cipher.AEAD }

func newSealer(secret string) (*sealer, error) {
	key, err := hkdf.Key(sha256.New, []byte(secret), nil, "labbot record", 32)
	if err != nil {
		return nil, fmt.Errorf("deriving the key of the records: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("making the cipher of the records: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("making the cipher of the records: %w", err)
	}
	return &sealer{aead: aead}, nil
}

// seal encrypts data so that it can be opened again only for the record of that name.
func (s *sealer) seal(name string, data []byte) string {
	return base64.RawStdEncoding.EncodeToString(s.aead.Seal(nil, nil, data, []byte(name)))
}

// open decrypts what seal made.
func (s *sealer) open(name, sealed string) ([]byte, error) {
	data, err := base64.RawStdEncoding.DecodeString(sealed)
	if err != nil {
		return nil, errors.New("the sealed part of the record is damaged")
	}
	plain, err := s.aead.Open(nil, nil, data, []byte(name))
	if err != nil {
		return nil, errors.New("the sealed part of the record was made with another bot token")
	}
	return plain, nil
}

// randomID is a name that nothing else has.
func randomID() string { return rand.Text() }
