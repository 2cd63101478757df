module shop.example/prices

go 1.25

require golang.org/x/text v0.3.6
