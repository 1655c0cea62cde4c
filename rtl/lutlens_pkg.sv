// Bundles of signals that several modules pass on.

package lutlens_pkg;
  // AXI write channels, as the master drives them. One ID, whole 64-bit beats, incrementing addresses.
  typedef struct packed {
    logic [31:0] awaddr;
    logic [3:0]  awlen;
    logic        awvalid;
    logic [63:0] wdata;
    logic        wlast;
    logic        wvalid;
    logic        bready;
  } axi_write_req_t;

  // And as the memory answers.
  typedef struct packed {
    logic awready;
    logic wready;
    logic berror;
    logic bvalid;
  } axi_write_rsp_t;

  // What a result writer tells.
  typedef struct packed {
    logic active;  // something has begun on the bus that has to be finished
    logic waiting;  // a result waits for room in the ring
    logic closing;  // all of a result is there and leaves: its frame is no longer late
    logic record_written;  // one clock each
    logic record_failed;
    logic seen;  // with record_written: something was recognised, in the last one begun
    logic [3:0] ahead;  // results that have been written and are not acknowledged
  } writer_state_t;
endpackage
