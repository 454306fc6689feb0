package config_test

import (
	"context"
	"fmt"

	"github.com/outdial/outdial/batch/config"

	_ "github.com/outdial/outdial/dialer/fake" // the carrier kind that the file names
)

func ExampleParse() {
	c, err := config.Parse("outdial.yaml", []byte(`
organisations:
  demo: {concurrency_limit: 40, region: EU}
agents:
  greeter: {url: "wss://agents.example/greeter"}
carriers:
  demo: "fake://?answer=0.62&busy=0.1&talk=3s"
numbers:
  main: {e164: "+442079460000", carriers: [demo]}
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()

	for _, org := range c.Organisations() {
		o, _ := c.Organisation(context.Background(), org)
		fmt.Println(org, "may have", o.ConcurrencyLimit, "calls at once")
		for _, id := range c.Numbers(org) {
			n, _ := c.Number(context.Background(), org, id)
			fmt.Println("number", id, "is", n.E164, "over", n.Carriers)
		}
	}
	// Output:
	// demo may have 40 calls at once
	// number main is +4420•••0000 over [demo]
}

// Every mistake of a file is listed at once, with its place.
func ExampleInvalidError() {
	_, err := config.Parse("outdial.yaml", []byte(`organisations:
  demo: {concurrency_limit: 0}
numbers:
  main: {e164: "+442079460000", carriers: [trunk]}
`))
	fmt.Println(err)
	// Output:
	// outdial.yaml: 2 mistakes
	// outdial.yaml:2:29: organisations.demo.concurrency_limit: expected a whole number of at least 1
	//      2 |   demo: {concurrency_limit: 0}
	//        |                             ^
	// outdial.yaml:4:44: numbers.main.carriers[0]: no carrier is called "trunk": the file has none
	//      4 |   main: {e164: "+442079460000", carriers: [trunk]}
	//        |                                            ^
}
