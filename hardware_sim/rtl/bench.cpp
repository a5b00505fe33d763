// The core's surroundings under Verilator: loads the program, plays the memory, says when something begins or ends.
// Arguments: program (words of whole bytes, lowest byte first), memory (overwritten at the end), bytes of a word, bytes of
// a beat, read latency, token. A line of the output: cycle, issued or not, number of the instruction, works that end;
// the last line: the cycle in which all is done.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <iterator>
#include <vector>

#include "Vtop.h"

typedef std::vector<char> Bytes;

struct Response { uint64_t cycle; int tag; Bytes data; };

static Bytes read(const char* path) {
    std::ifstream file(path, std::ios::binary);
    return Bytes(std::istreambuf_iterator<char>(file), {});
}

static void tick(Vtop& top) {
    top.clk = 1;
    top.eval();
    top.clk = 0;
    top.eval();
}

int main(int argc, char** argv) {
    if (argc != 7) return 2;
    Bytes program = read(argv[1]), memory = read(argv[2]);
    const size_t word = atoi(argv[3]), beat = atoi(argv[4]), latency = atoi(argv[5]);
    std::deque<Response> responses;
    Vtop top;
    top.token = atoi(argv[6]);
    top.eval();
    for (size_t place = 0; place * word < program.size(); place++) {
        top.store = 1;
        top.place = place;
        memcpy(&top.word, &program[place * word], word);
        top.eval();
        tick(top);
    }
    top.store = 0;
    top.eval();
    tick(top);
    top.run = 1;
    for (uint64_t cycle = 0; cycle < 100000000; cycle++) {
        top.eval();
        if (top.finished) {
            printf("%llu\n", (unsigned long long)cycle);
            std::ofstream(argv[2], std::ios::binary).write(memory.data(), memory.size());
            return 0;
        }
        if (top.issue || top.done)
            printf("%llu %d %d %d\n", (unsigned long long)cycle, top.issue, top.number, top.done);
        if (top.writing_write) memcpy(&memory.at(top.writing_address), &top.writing_data, beat);
        if (top.reading_request)
            for (size_t i = 0; i < top.reading_beats; i++) {
                const char* from = &memory.at(top.reading_address + i * beat);
                responses.push_back({cycle + latency, (int)top.tag, Bytes(from, from + beat)});
            }
        tick(top);
        top.reading_response = !responses.empty() && responses.front().cycle <= cycle + 1;
        if (top.reading_response) {
            top.response_tag = responses.front().tag;
            memcpy(&top.reading_data, responses.front().data.data(), beat);
            responses.pop_front();
        }
    }
    return 1;
}
