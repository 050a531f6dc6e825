//! t
fn main(){ for a in std::env::args().skip(1){ let n:usize=a.parse().unwrap(); let t=std::time::Instant::now(); let r=quad::GaussLegendre::new(n).unwrap(); let el=t.elapsed().as_secs_f64()/n as f64*1e9; eprintln!("{n} ns/node {el}");
 let ks: Vec<usize> = if n<=1000 {(0..n).collect()} else {vec![0,1,2,5,8,9,10,11,12,15,20,50,100,500,n/8,n/4,n/3,n/2-2,n/2-1,n/2, n-10, n-1]};
 for k in ks { println!("{n} {k} {:e} {:e} {:e} {:e}", r.nodes()[k], r.weights()[k], r.colatitudes()[k], r.sines()[k]); } } }
