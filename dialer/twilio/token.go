package twilio

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
)

// A token is a parameter of a stream that proves that it belongs to a call, and says where its agent is. It
// needs no memory: a process that comes after the one that placed the call takes the stream as well as
// that one would have. Twilio and whoever reads its logs see neither; it is the agent's URL, encrypted and bound to
// the call's id (AES-256-GCM, by a key that is derived from the auth token).

// seal returns a new token. A URL that is too long for a parameter is left out.
func (k keys) seal(callID, agentURL string) (string, error) {
	block, err := sealing(k[0])
	if err != nil {
		return "", err
	}
	if len(tokenName)+base64.RawURLEncoding.EncodedLen(len(agentURL)+block.Overhead()) > maxToken {
		agentURL = ""
	}
	//nolint:gosec // the nonce is random, and in front of the result: see sealing
	sealed := block.Seal(nil, nil, []byte(agentURL), []byte(callID))
	return base64.RawURLEncoding.EncodeToString(sealed), nil
}

// open returns the agent's URL from a call's token, empty if it was left out. It is false if the token is not
// that of the call.
func (k keys) open(callID, token string) (agentURL string, ok bool) {
	sealed, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return "", false
	}
	for _, key := range k {
		block, err := sealing(key)
		if err != nil {
			continue
		}
		if text, err := block.Open(nil, nil, sealed, []byte(callID)); err == nil {
			return string(text), true
		}
	}
	return "", false
}

// sealing has its nonce at random, in front of what it seals.
func sealing(key string) (cipher.AEAD, error) {
	if key == "" {
		return nil, errors.New("the auth token is empty") // anybody knows it
	}
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte("outdial stream"))
	block, err := aes.NewCipher(mac.Sum(nil))
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
