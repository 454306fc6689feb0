// Package csvfile reads the recipients of a batch from a CSV file and writes what became
// of them as one. It prints nothing and opens nothing, so a command line and an HTTP
// handler can share it.
//
// # The file
//
// The first row names the columns. One of them is to_number, in any letter case, with
// spaces or hyphens for the underscore if you like. Where no column is called that, one
// called phone, phone_number, telephone, tel, mobile, msisdn, number or to is taken,
// provided that there is only one of them. Every other column becomes metadata: a JSON
// object of strings in the order of the columns, under the column's own spelling. An
// empty cell is an empty string, so that every recipient has the same keys.
//
// Columns are separated by commas, semicolons or tabs, found out from the first row (or
// from the line sep=; that Excel understands). Cells may be quoted, and then hold
// separators, line breaks and doubled quotes. Lines end with LF, CRLF or CR. A byte order
// mark is skipped, and so are rows without a single filled cell. The text is UTF-8.
//
// # Numbers
//
// A number is written in E.164 format, with its + and country code. Spaces of every kind,
// invisible marks such as contact lists paste, and the punctuation ( ) - . / are removed, and
// so is the ' or the ="…" by which spreadsheets keep a number from being calculated.
//
// Nothing is guessed. A number without + is refused unless Options.AddPlus is set:
// 4155550123 is somebody in San Francisco to whoever typed it, but read as +41 55 555 01 23 it
// rings a stranger in Switzerland. Refused as well are 00 before the country code, the (0)
// of +44 (0)20, extensions, two numbers in one cell, and 4.42E+11, into which a
// spreadsheet turns a number whose digits are then gone.
//
// # Problems
//
// [Read] goes through the whole file and returns an [*InvalidError] with every [Problem] in it,
// each with its line, so that a file can be put right in one go. No problem repeats a
// whole number, since problems end up in logs.
//
// # Results
//
// [WriteResults] writes a file that a spreadsheet can open without running anything in
// it: a cell that begins with = + - @ ' or a control character gets a ' in front, and so does what
// follows a semicolon, tab or line break in it, where some spreadsheets begin a cell. This goes
// for the numbers too, because a spreadsheet would turn +442079460000 into 4.42079E+11
// and save it like that. Read takes the ' off again and leaves out the columns that
// WriteResults added, so a results file, or the rows of it that are worth another try, can
// be dialled as it is.
package csvfile
