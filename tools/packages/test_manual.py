"""The manual pages say what the program says of itself."""
import unittest

import manual

COMMAND = {
    "commandName": "headimpact", "abstract": "Looks.", "discussion": "One.\n\n.Two\\three", "arguments": [],
    "subcommands": [
        {"commandName": "help", "abstract": "Shows help.", "shouldDisplay": True},
        {"commandName": "gone", "abstract": "Hidden.", "shouldDisplay": False},
        {"commandName": "score", "abstract": "Scores.", "shouldDisplay": True, "arguments": [
            {"kind": "positional", "valueName": "input", "abstract": "The file.", "shouldDisplay": True, "isOptional": False},
            {"kind": "option", "valueName": "n", "names": [{"kind": "short", "name": "n"}, {"kind": "long", "name": "limit"}],
             "preferredName": {"kind": "long", "name": "limit"}, "abstract": "How many.", "defaultValue": "3", "allValues": ["1", "3"],
             "shouldDisplay": True, "isOptional": True, "isRepeating": True},
            {"kind": "flag", "names": [{"kind": "long", "name": "secret"}], "shouldDisplay": False, "isOptional": True},
        ]},
    ],
}


class Manual(unittest.TestCase):
    def setUp(self):
        self.pages = dict(manual.pages(COMMAND, [], "1.2"))

    def test_the_program_and_each_verb_that_is_shown_have_a_page(self):
        self.assertEqual(set(self.pages), {"headimpact.1", "headimpact-score.1"})
        self.assertIn("headimpact\\-score\\fR(1)\nScores.", self.pages["headimpact.1"])

    def test_no_line_of_a_text_is_a_request_and_no_backslash_an_escape(self):
        self.assertIn("One.\n.PP\n\\&.Two\\ethree", self.pages["headimpact.1"])

    def test_options_have_their_names_values_and_defaults(self):
        page = self.pages["headimpact-score.1"]
        self.assertIn("\\fBheadimpact score\\fR <input> [\\-\\-limit <n> ...]", page)
        self.assertIn("\\fB\\-n, \\-\\-limit <n>\\fR\nHow many. (values: 1, 3; default: 3)", page)
        self.assertNotIn("secret", page)


if __name__ == "__main__":
    unittest.main()
