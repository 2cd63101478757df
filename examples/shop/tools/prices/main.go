// Command prices prints the price list in the reader's language.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"

	"golang.org/x/text/language"
)

var lines = map[language.Tag]string{
	language.English: "%s: %.2f EUR\n",
	language.Korean:  "%s: %.2f유로\n",
	language.German:  "%s: %.2f Euro\n",
}

func main() {
	wanted := flag.String("languages", "en", "as a browser writes Accept-Language")
	catalogue := flag.String("catalogue", "services/cart/catalogue.json", "the articles")
	flag.Parse()

	data, err := os.ReadFile(*catalogue)
	if err != nil {
		log.Fatal(err)
	}
	var articles []struct {
		Name  string `json:"name"`
		Cents int    `json:"cents"`
	}
	if err := json.Unmarshal(data, &articles); err != nil {
		log.Fatal(err)
	}
	line := lines[choose(*wanted)]
	for _, article := range articles {
		fmt.Printf(line, article.Name, float64(article.Cents)/100)
	}
}

func choose(wanted string) language.Tag {
	asked, _, err := language.ParseAcceptLanguage(wanted)
	if err != nil {
		return language.English
	}
	known := []language.Tag{language.English, language.Korean, language.German}
	_, index, _ := language.NewMatcher(known).Match(asked...)
	return known[index]
}
