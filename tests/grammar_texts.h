/* Grammars with texts that they have and texts that they do not have, for test_grammar.c and fuzz_grammar.c.
 */
#ifndef GLIA_TESTS_GRAMMAR_TEXTS_H
#define GLIA_TESTS_GRAMMAR_TEXTS_H

typedef struct grammar_case {
    const char *grammar;
    const char *yes[10], *no[10];
} grammar_case;

static const grammar_case grammar_cases[] = {
    {"root ::= \"yes\" | \"no\"", {"yes", "no"}, {"", "y", "yesno", "No", "yes "}},
    {"root ::= \"\"", {""}, {"a"}},
    {"root ::= | \"a\" root", {"", "a", "aaaa"}, {"b", "ab"}},
    {"root ::= [a-c]+ [^x-z] [0-9]?",
     {"ab", "abcd", "aaQ7", "a\xc3\xa4", "bb"},
     {"a", "ax", "a777", "d1", "aQQ"}},
    {"root ::= \"a\"{3} \"b\"{2,} \"c\"{0,2} \"d\"{1,3}",
     {"aaabbd", "aaabbbbbccddd", "aaabbcd"},
     {"aabbd", "aaabd", "aaabbccc", "aaabbcccd", "aaabbdddd", "aaabb"}},
    {"root ::= \"x\"{0,3}", {"", "x", "xx", "xxx"}, {"xxxx"}},
    {"root ::= \"x\"{0}", {""}, {"x"}},
    {"root ::= (\"a\" | \"bc\"){2} \"!\"", {"aa!", "abc!", "bca!", "bcbc!"}, {"a!", "aaa!", "bb!", "!"}},
    {"root ::= ((\"a\"* \"b\"?)* \"c\")?", {"", "c", "aabac", "bbc"}, {"a", "cc"}},
    {"root ::= \"\\x41\\u00e4\\U0001F600\\n\\t\\\"\\\\\"",
     {"A\xc3\xa4\xf0\x9f\x98\x80\n\t\"\\"},
     {"A", "A\xc3\xa5"}},
    {"root ::= [\\u00e0-\\u00ff\\n\\]\\\\-]+",
     {"\xc3\xa0\xc3\xbf", "]\n\\-", "-"},
     {"\xc3\x9f", "a", "\xc3"}},
    {"root ::= [-a]+ [b-]", {"--", "a-", "-ab"}, {"c", "-c"}},
    {"root ::= .",
     {"a", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\n", "\xef\xbf\xbf", "\xf4\x8f\xbf\xbf"},
     {"", "ab", "\xc3", "\xed\xa0\x80", "\xc0\x80", "\xf5\x80\x80\x80", "\xe2\x82", "\x80",
      "\xf4\x90\x80\x80"}},
    {"root ::= [^\\n]* \"\\n\"", {"\n", "abc\n", "\xe2\x82\xac\n"}, {"a", "\n\n", "\xe2\n"}},
    {"# a comment\nroot ::= a # another\n  | b\na ::= # and one more\n \"(\" root \")\"\nb ::= \"x\"\n# the "
     "last",
     {"x", "(x)", "((((x))))"},
     {"(x", "x)", "()", "(x))"}},
    {"root ::= (\n \"a\" # in a group lines do not end\n | \"b\"\n )\n", {"a", "b"}, {"", "ab"}},
    /* Ambiguous: many ways to read one text. */
    {"root ::= s\ns ::= \"a\" s s | \"a\" s | \"a\"", {"a", "aaaaaaaaaaaaaaaa"}, {"", "ab", "b"}},
    {"root ::= s \"c\"\ns ::= | \"a\" s \"b\" | \"a\" s",
     {"c", "aaabbc", "abc", "aac"},
     {"abbc", "ba", "aabbbc"}},
    /* Rules without text, called in a row and at the end. */
    {"root ::= e e \"x\" e f\ne ::= \"\" | \"y\"\nf ::= e e",
     {"x", "yyx", "xyyy", "yx"},
     {"", "yyyx", "xyyyy"}},
    /* Recursion in the middle and at the end. */
    {"root ::= list\nlist ::= \"[\" (list (\",\" list)*)? \"]\"",
     {"[]", "[[],[[]]]", "[[[[[[[[]]]]]]]]"},
     {"[", "[,]", "[[]", "[]]", "[[],]"}},
    {"root ::= expr\nexpr ::= term ([-+*/] term)*\nterm ::= ident | num | \"(\" ws expr \")\" ws\n"
     "ident ::= [a-z] [a-z0-9_]* ws\nnum ::= [0-9]+ ws\nws ::= [ \\t\\n]*",
     {"a+1", "(a +b2) *3", "x", "((1))"},
     {"1+", "(a", "+1", "a b", "A"}},
    {"root ::= object\nvalue ::= object | array | string | number | (\"true\" | \"false\" | \"null\") ws\n"
     "object ::= \"{\" ws (string \":\" ws value (\",\" ws string \":\" ws value)*)? \"}\" ws\n"
     "array ::= \"[\" ws (value (\",\" ws value)*)? \"]\" ws\n"
     "string ::= \"\\\"\" ([^\"\\\\\\x7F\\x00-\\x1F] | \"\\\\\" ([\"\\\\bfnrt] | \"u\" [0-9a-fA-F]{4}))* "
     "\"\\\"\" ws\n"
     "number ::= (\"-\"? ([0-9] | [1-9] [0-9]{0,15})) (\".\" [0-9]+)? ([eE] [-+]? [0-9]+)? ws\n"
     "ws ::= | \" \" | \"\\n\" [ \\t]{0,20}",
     {"{}", "{\"a\": [1, -2.5e3, true], \"b\":\n  {\"\xc3\xa4\\u00e4\": null}}", "{\"\":\"\\n\"} "},
     {"[]", "{\"a\"}", "{\"a\":01}", "{\"a\":1,}", "{\"a\":\"\n\"}", "{\"a\":tru}", "{}{}"}},
    {"root ::= ws \"x\"\nws ::= ([ \\t] ws)?", {"x", "    \t  x"}, {"", " "}},
    {"root ::= <[97]> !<[98]> \"z\"", {"acz", "a\xffz"}, {"abz", "cz", "az"}},
    {"root ::= (<[97]> | \"ab\") \"c\"", {"ac", "abc"}, {"a", "bc", "ab"}},
};

/* Grammars that are refused: code, and the place if it is stated. */
static const struct {
    const char *grammar, *code, *place;
} grammar_refused[] = {
    {"", "G0655", ""},
    {"a ::= \"x\"", "G0655", ""},
    {"root ::= a", "G0651", "line 1, column 10"},
    {"root ::= \"x\"\n\nb ::= \"y\" nowhere", "G0651", "line 3, column 11"},
    {"root ::= root \"x\" | \"y\"", "G0652", "line 1, column 1"},
    {"root ::= \"q\" a\na ::= b \"x\" | \"y\"\nb ::= (\"z\"?) a", "G0652", ""},
    {"root ::= e root | \"x\"\ne ::= \"\"", "G0652", ""},
    {"root ::= a\na ::= b\nb ::= c\nc ::= a", "G0652", ""},
    {"root ::= \"x\" root", "G0653", "line 1, column 1"},
    {"root ::= \"x\"\nb ::= \"(\" b \")\"", "G0653", "line 2, column 1"},
    {"root ::= \"x\"\nroot ::= \"y\"", "G0650", "line 2, column 1"},
    {"root = \"x\"", "G0650", "line 1, column 6"},
    {"root ::= \"x", "G0650", "line 1, column"},
    {"root ::= \"x\n\"", "G0650", "line 1, column 12"},
    {"root ::= [a-", "G0650", ""},
    {"root ::= [z-a]", "G0650", "line 1, column 11"},
    {"root ::= []", "G0650", ""},
    {"root ::= [^]", "G0650", ""},
    {"root ::= [^\\x00-\\U0010FFFF]", "G0650", ""},
    {"root ::= \"\\q\"", "G0650", "line 1, column 12"},
    {"root ::= \"\\x4\"", "G0650", ""},
    {"root ::= \"\\uD800\"", "G0650", ""},
    {"root ::= \"\\U00110000\"", "G0650", ""},
    {"root ::= (\"x\"", "G0650", ""},
    {"root ::= \"x\")", "G0650", "line 1, column 13"},
    {"root ::= *", "G0650", ""},
    {"root ::= \"x\"**", "G0650", ""},
    {"root ::= \"x\"{", "G0650", ""},
    {"root ::= \"x\"{a}", "G0650", ""},
    {"root ::= \"x\"{3,1}", "G0650", ""},
    {"root ::= \"x\"{1", "G0650", ""},
    {"root ::= \"x\" = ", "G0650", ""},
    {"root ::= \"\xff\"", "G0650", ""},
    {"root ::= <nowhere>", "G0659", "line 1, column 10"},
    {"root ::= <[99999]>", "G0659", ""},
    {"root ::= <[x]>", "G0650", ""},
    {"root ::= !\"x\"", "G0650", ""},
    {"root ::= \"x\"{1000000}", "G0654", ""},
    {"root ::= (((\"x\"{100}){100}){100}){100}", "G0654", ""},
    {"root ::= \"x\"{99999999999999999999}", "G0654", ""},
};

#endif
