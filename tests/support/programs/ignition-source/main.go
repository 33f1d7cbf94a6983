// Command ignition-validate says what Ignition itself would say of the configuration on its standard input.
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/coreos/ignition/v2/config"
)

func main() {
	data, err := io.ReadAll(os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	_, report, err := config.Parse(data)
	fmt.Print(report.String())
	if err != nil || report.IsFatal() {
		os.Exit(1)
	}
}
