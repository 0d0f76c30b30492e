/*
 * bench/simdjson_bench.cpp: the five fields of the founding SQL by simdjson's on-demand reader, for
 * comparison: Severity as a number, and the other four as text for the rows that pass. Nothing is
 * written, and members that nobody asks for are not checked.
 *
 *     simdjson_bench FILE [SECONDS=2]      FILE: rows of founding_bench --write, compact or indented
 */
#include <simdjson.h>

#include <ctime>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

using namespace simdjson;

/* A row ends in "}" at the begin of a line (indented) or in "}" and the line (compact). */
static std::vector<std::string_view> rows_of(std::string_view text)
{
    const bool is_indented = text.substr(0, 2) == "{\n";
    const std::string_view end = is_indented ? "\n}\n" : "}\n";
    std::vector<std::string_view> rows;
    for (size_t at = 0; at < text.size();) {
        const size_t stop = text.find(end, at);
        if (stop == std::string_view::npos) {
            break;
        }
        const size_t behind = stop + end.size();
        rows.push_back(text.substr(at, behind - 1 - at));
        at = behind;
    }
    return rows;
}

struct totals {
    size_t passed, bytes;
};

static totals pass(ondemand::parser &parser, const std::vector<std::string_view> &rows,
                   const padded_string &text)
{
    totals out = {0, 0};
    const char *end = text.data() + text.size() + SIMDJSON_PADDING;
    for (const std::string_view row : rows) {
        ondemand::document doc = parser.iterate(row.data(), row.size(), size_t(end - row.data()));
        ondemand::object object = doc.get_object();
        const std::string_view id = object["ID"].get_string();
        const std::string_view severity = object["Severity"].get_string();
        if (std::strtol(severity.data(), nullptr, 10) <= 2) {
            continue;
        }
        const std::string_view city = object["City"].get_string();
        const std::string_view county = object["County"].get_string();
        const std::string_view time = object["Txn_Timestamp"].get_string();
        out.passed++;
        out.bytes += id.size() + city.size() + county.size() + time.size();
    }
    return out;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        std::fprintf(stderr, "usage: simdjson_bench FILE [SECONDS]\n");
        return 2;
    }
    const double seconds = argc > 2 ? std::atof(argv[2]) : 2;
    const padded_string text = padded_string::load(argv[1]);
    const std::vector<std::string_view> rows = rows_of(text);
    ondemand::parser parser;
    totals last = {0, 0};
    double best = 0, spent = 0;
    size_t rounds = 0;
    while (spent < seconds) {
        const std::clock_t before = std::clock(); /* CPU time: other work does not count. */
        last = pass(parser, rows, text);
        const double took = double(std::clock() - before) / CLOCKS_PER_SEC;
        spent += took;
        best = std::max(best, double(text.size()) / took);
        rounds++;
    }
    std::printf("%.2f GB/s (best pass %.2f)  %zu rows  %.2f %% pass  %s\n",
                double(text.size() * rounds) / spent / 1e9, best / 1e9, rows.size(),
                100.0 * double(last.passed) / double(rows.size()),
                get_active_implementation()->name().c_str());
    return last.bytes > 0 ? 0 : 1;
}
