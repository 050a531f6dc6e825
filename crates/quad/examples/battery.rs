use quad::*;
use std::f64::consts::PI;
use std::sync::atomic::{AtomicUsize, Ordering};
type G = fn(f64)->f64;
fn j1(x:f64)->f64{ // integral form
    let n=400; let mut s=0.0; for i in 0..n { let t=PI*(i as f64+0.5)/n as f64; s+=(t - x*t.sin()).cos(); } s/n as f64 }
fn main(){
    let h=0.9f64; let _=h;
    let cases: Vec<(&str,G,f64,[f64;3])> = vec![
     ("const",|_|1.0,4.0*PI,[32.,32.,32.]),
     ("t^20",|t|t.powi(20),0.59839860068377014066,[200.,288.,288.]),
     ("t^100",|t|t.powi(100),0.12441951103325913816,[800.,1600.,2600.]),
     ("exp1",|t|t.exp(),14.76801374576529069511,[32.,32.,72.]),
     ("exp10",|t|(10.0*t).exp(),13839.63659657671218848,[72.,200.,288.]),
     ("exp100",|t|(100.0*(t-1.0)).exp(),2.0*PI/100.0,[800.,1600.,2600.]),
     ("vMF1000",|t|(1000.0*(t-1.0)).exp(),6.2831853071795864769e-3,[7700.,16000.,28000.]),
     ("1/(1.1-t)",|t|1.0/(1.1-t),19.12929864808238896,[128.,512.,1600.]),
     ("1/(1.01-t)",|t|1.0/(1.01-t),33.321647477810172492,[968.,4600.,13000.]),
     ("cos50",|t|(50.0*t).cos(),-0.065941993030636754058,[2600.,3500.,3500.]),
     ("piston",|t|{let s=20.0*(1.0-t*t).max(0.0).sqrt(); if s<1e-6 {1.0} else {(2.0*j1(s)/s).powi(2)}},0.06243589201777817381,[968.,1600.,2000.]),
     ("rayleigh",|t|3.0/(16.0*PI)*(1.0+t*t),1.0,[32.,32.,32.]),
     ("HG.9",|t|(1.0-0.81)/(4.0*PI)/(1.81-1.8*t).powf(1.5),1.0,[3500.,9800.,28000.]),
     ("f1",|_|0.0,19.388114662154152557,[32.,32.,32.]),
     ("franke",|_|0.0,6.6961822200736179523,[200.,1600.,3500.]),
     ("tanh",|t|(1.0+(9.0*3f64.sqrt()*t-4.0).tanh())/9.0,1.0379820457011971524,[800.,3500.,16000.]),
     ("|cos|",|t|t.abs(),2.0*PI,[0.,0.,0.]),
     ("|u.x|",|t|t.abs(),2.0*PI,[0.,0.,0.]),
     ("cap",|t|if t>0.7f64.cos(){1.0}else{0.0},1.4775401137225912542,[0.,0.,0.]),
    ];
    let only=std::env::args().nth(1);
    let tols=[1e-3,1e-6,1e-10];
    let mut logs=[0.0;3];
    for (ci,(name,g,exact,base)) in cases.iter().enumerate(){
        if let Some(o)=&only { if o!=name {continue;} }
        for (ti,tol) in tols.iter().enumerate(){
            let mut worst=(0usize,0.0f64,0.0f64,String::new());
            for rot in 0..3 {
                let u = match *name { "|cos|"=>Direction::from_vector([0.,0.,1.]).unwrap(), _=>Direction::from_angles([1.0,2.2,0.6][rot],[2.0,-1.1,0.3][rot]).unwrap()};
                let r=Rotation::about(&u,rot as f64).unwrap();
                let calls=AtomicUsize::new(0);
                let f=|d:&[Direction],v:&mut [f64]|{ calls.fetch_add(d.len(),Ordering::Relaxed); for (v,x) in v.iter_mut().zip(d){
                    *v = match *name {
                        "f1"=>{let [x,y,z]=r.apply(x).vector(); 1.0+x+y*y+x*x*y+x.powi(4)+y.powi(5)+x*x*y*y*z*z},
                        "franke"=>{let [x,y,z]=r.apply(x).vector();
                          0.75*(-(9.*x-2.).powi(2)/4.-(9.*y-2.).powi(2)/4.-(9.*z-2.).powi(2)/4.).exp()
                          +0.75*(-(9.*x+1.).powi(2)/49.-(9.*y+1.)/10.-(9.*z+1.)/10.).exp()
                          +0.5*(-(9.*x-7.).powi(2)/4.-(9.*y-3.).powi(2)/4.-(9.*z-5.).powi(2)/4.).exp()
                          -0.2*(-(9.*x-4.).powi(2)-(9.*y-7.).powi(2)-(9.*z-5.).powi(2)).exp()},
                        _=>g(u.dot(x)) } } };
                let t0=std::time::Instant::now();
                let e=Automatic::default().relative_tolerance(*tol).max_evaluations(400_000).integrate(SolidAngle,&f).unwrap();
                assert_eq!(calls.load(Ordering::Relaxed),e.evaluations);
                let err=(e.value-exact).abs()/exact.abs();
                if e.evaluations>=worst.0 { worst.0=e.evaluations; worst.3=format!("{:?} {:?} {:?}",e.method,e.stop,t0.elapsed()); }
                if err>worst.1 {worst.1=err;}
                worst.2=worst.2.max(e.error_estimate/exact.abs());
                if err>10.0*tol && e.stop==Stop::Converged { println!("FALSE {name} {tol:e} {err:e}"); }
            }
            if ci<16 { logs[ti]+=(worst.0 as f64/base[ti]).ln(); }
            println!("{name:10} {tol:.0e} N={:6} err={:.1e} est={:.1e} ratio={:.2} {}",worst.0,worst.1,worst.2,worst.0 as f64/base[ti],worst.3);
        }
    }
    for t in 0..3 { println!("geomean {:e}: {:.2}",tols[t],(logs[t]/16.0f64).exp()); }
}
