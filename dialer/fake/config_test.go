package fake_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer/fake"
)

func TestConfigRefuses(t *testing.T) {
	t.Parallel()
	for says, config := range map[string]fake.Config{
		"answer is -0.1":   {Shares: fake.Shares{Answer: -0.1}},
		"busy is NaN":      {Shares: fake.Shares{Busy: math.NaN()}},
		"refused is 2":     {Shares: fake.Shares{Refused: 2}},
		"together 1.5":     {Shares: fake.Shares{Answer: 0.75, Failed: 0.75}},
		"unavailable is 3": {Unavailable: 3},
		"ring is -1ns":     {Ring: -1},
		"talk is -1ns":     {Talk: -1},
		"speed is -1":      {Speed: -1},
		"speed is NaN":     {Speed: math.NaN()},
		"speed is +Inf":    {Speed: math.Inf(1)},
	} {
		_, err := fake.New(config)
		require.ErrorContains(t, err, says)
	}
}
