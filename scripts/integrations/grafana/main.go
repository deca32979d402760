// Reads a dashboard as Grafana's schema describes it. An unknown key or a value of another type is an error.
package main

import (
	"fmt"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func main() {
	bytes, err := os.ReadFile(os.Args[1])
	if err == nil {
		// The options of each type of panel and of query.
		plugins.RegisterDefaultPlugins()
		var read dashboard.Dashboard
		err = read.UnmarshalJSONStrict(bytes)
	}
	// The generated code also returns an empty list of errors.
	if err != nil && err.Error() != "" {
		fmt.Println(err)
		os.Exit(1)
	}
}
